"""Limit of open connections: in all and for each party, the longest idle one ending where a new one needs its place."""

from __future__ import annotations

import ipaddress
import resource
import socket
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

LOCAL, NETWORK = "local", "network"
"""Pools of connections: those from this machine keep places of their own, so that the agent's probe always gets in."""
LOCAL_PLACES = 256
NETWORK_PLACES = 384
PLACES_FOR_EACH = 64
"""Of one party on the network: a browser has six, and an office may come from one address."""
SPARE_DESCRIPTORS = 256
"""File descriptors for what is no client's connection: listeners, files, and the questions to the agent."""
PREFIX = 64
"""Bits of an IPv6 address that one party is given (RFC 6177)."""


@dataclass(frozen=True, slots=True)
class Party:
    """Whose connection it is."""

    pool: str
    key: Hashable
    """What is counted as one client."""


@dataclass(frozen=True, slots=True)
class Places:
    """Connections that a pool holds."""

    in_all: int
    for_each: int
    """Of one party."""


@dataclass(eq=False, slots=True)
class OpenConnection:
    """A connection that has a place."""

    party: Party
    end: Callable[[], object]
    """Drops it at once."""
    used_at: float = field(default_factory=time.monotonic)
    """When its client was last heard, or took something of an answer (monotonic)."""
    protected: bool = False
    """Whether it answers somebody who has logged in."""


class ConnectionLimit:
    """Places of all connections of a server."""

    def __init__(self, pools: Mapping[str, Places]) -> None:
        """`pools`: by the name that a `Party` gives."""
        self._pools = pools
        self._open: dict[str, dict[Hashable, set[OpenConnection]]] = {name: {} for name in pools}

    def admit(self, connection: OpenConnection) -> bool:
        """Give a connection its place, ending the longest idle one where none is left.

        False: each of those that would have to end answers somebody who has logged in. From this machine one ends even so: it
        has the agent's probe to let in.
        """
        party = connection.party
        members, places = self._open[party.pool], self._pools[party.pool]
        own = members.get(party.key, set())
        if len(own) >= places.for_each and not self._make_room(own, party):
            return False
        if sum(map(len, members.values())) >= places.in_all:
            everybody = [each for found in members.values() for each in found]
            if not self._make_room(everybody, party):
                return False
        members.setdefault(party.key, set()).add(connection)
        return True

    def leave(self, connection: OpenConnection) -> None:
        """Free the place of a connection, if it has one."""
        members = self._open[connection.party.pool]
        own = members.get(connection.party.key, set())
        own.discard(connection)
        if not own:
            members.pop(connection.party.key, None)

    def _make_room(self, candidates: Iterable[OpenConnection], party: Party) -> bool:
        candidates = list(candidates)
        idle = [each for each in candidates if not each.protected] or (candidates if party.pool == LOCAL else [])
        if not idle:
            return False
        longest = min(idle, key=lambda each: each.used_at)
        self.leave(longest)
        longest.end()
        return True

    def end_longest_idle(self) -> None:
        """End one connection of those from elsewhere, for the process has no file descriptor left."""
        for name in sorted(self._open, key=lambda each: each == LOCAL):
            found = [each for own in self._open[name].values() for each in own]
            if found and self._make_room(found, Party(name, None)):
                return


def party_of(connection: socket.socket) -> Party:
    """Return whose a TCP connection is: an address, and of IPv6 the network that one party is given."""
    address = _address(connection.getpeername()[0])
    if address.is_loopback or address == _address(connection.getsockname()[0]):
        return Party(LOCAL, LOCAL)
    if address.version == 6:
        return Party(NETWORK, ipaddress.ip_network((address, PREFIX), strict=False))
    return Party(NETWORK, address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(text.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


def tcp_pools() -> dict[str, Places]:
    """Return the places of a server on TCP, as many as the process has file descriptors for (RLIMIT_NOFILE)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    share = min(1.0, max(0, soft - SPARE_DESCRIPTORS) / (LOCAL_PLACES + NETWORK_PLACES))
    local, network = (max(1, int(share * each)) for each in (LOCAL_PLACES, NETWORK_PLACES))
    return {LOCAL: Places(local, local), NETWORK: Places(network, min(network, PLACES_FOR_EACH))}
