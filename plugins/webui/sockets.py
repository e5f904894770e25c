"""Listening sockets of the web interface."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterable

from plugins.webui.errors import CannotListen

BACKLOG = 128
"""Connections that wait to be accepted."""
EVERY_IPV6 = "::"
WITHOUT_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""What a kernel says that has been told to do without IPv6 (ipv6.disable, net.ipv6.conf.all.disable_ipv6)."""

log = logging.getLogger("chainwright.webui")


def all_listening(
    addresses: Iterable[tuple[str, int]], listen: Callable[[str, int], socket.socket] | None = None
) -> list[socket.socket]:
    """Return a socket for each address, without ``::`` where IPv6 has been switched off since the agent looked.

    One is needed at least. Raises `CannotListen`.
    """
    found: list[socket.socket] = []
    left_out: CannotListen | None = None
    for host, port in addresses:
        try:
            found.append((listen or listening)(host, port))
        except CannotListen as error:
            if host != EVERY_IPV6 or getattr(error.__cause__, "errno", None) not in WITHOUT_IPV6:
                raise
            left_out = error
            log.warning("%s:%d is left out: %s", f"[{host}]", port, error.reason)
    if left_out and not found:
        raise left_out
    return found


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; port 0: any free one. Raises `CannotListen`."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        raise CannotListen(_address(host, port), error.strerror or str(error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(_address(host, port), error.strerror or str(error)) from error
    return listener


def name_of(listener: socket.socket) -> str:
    """Return the address of a listening socket, for people."""
    return _address(*listener.getsockname()[:2])


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
