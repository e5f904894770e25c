"""Listening sockets of the web interface."""

from __future__ import annotations

import socket

from plugins.webui.errors import CannotListen

BACKLOG = 128
"""Connections that wait to be accepted."""


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
