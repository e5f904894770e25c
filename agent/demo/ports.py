"""Choice of the ports of the demo's services: free for the protocol and at the addresses that the service will bind."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Set
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum

LOOPBACK = "127.0.0.1"
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - nothing is served there: what is free on every address is looked for
TRIES = 100
"""Ports of the kernel's choice that are tried for one place: each is free for the first of its sockets."""


class Transport(Enum):
    """What carries a protocol; the value is the kind of its sockets."""

    TCP = socket.SOCK_STREAM
    UDP = socket.SOCK_DGRAM


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is to listen."""

    port: int
    """What it would like to have; 0: any."""
    addresses: tuple[str, ...] = (LOOPBACK,)
    transports: tuple[Transport, ...] = (Transport.TCP,)


class _Taken(Exception):
    """Absence of a free port."""


def choose_ports(places: Iterable[Place], claimed: Set[int] = frozenset()) -> tuple[int, ...]:
    """Return the wanted ports, with a free one in place of each that is taken or `claimed`; no two of them are the same one.

    Raises OSError where no port is free.
    """
    with ExitStack() as held:
        return tuple(_choose(place, claimed, held) for place in places)


def _choose(place: Place, claimed: Set[int], held: ExitStack) -> int:
    """Bind all sockets of a place, which stay bound as long as `held` is open."""
    for wanted in (place.port, *([0] * TRIES)):
        with ExitStack() as bound:
            try:
                port = _bind_all(place, wanted, bound)
            except _Taken:
                continue
            if port in claimed:
                continue
            held.enter_context(bound.pop_all())
            return port
    raise OSError(f"no port is free for {' and '.join(each.name for each in place.transports)}")


def _bind_all(place: Place, port: int, bound: ExitStack) -> int:
    """Return the port at which all sockets of a place are bound: `port`, or that of the kernel's choice for the first one."""
    for transport in place.transports:
        for address in place.addresses:
            port = _bind(transport, address, port, bound) or port
    return port


def _bind(transport: Transport, address: str, port: int, bound: ExitStack) -> int:
    """Return the port; 0 where this machine doesn't know addresses of that family. Raises `_Taken`."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        opened = bound.enter_context(socket.socket(family, transport.value))
    except OSError:
        return 0
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if transport is Transport.TCP:
        # Else a port that was in use a moment ago is taken. Of UDP it would have two sockets share one port (socket(7)).
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((address, port))
    except OSError as error:
        raise _Taken from error
    return int(opened.getsockname()[1])
