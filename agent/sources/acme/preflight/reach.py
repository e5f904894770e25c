"""Whether a name leads to this machine, and the ways there work."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from agent.dns.exchange import SLICE, Budget
from agent.errors.acme import AGAIN
from agent.sources.acme.preflight.findings import Finding, listed
from agent.system.names import is_public

HTTP_PORT = 80
"""The one at which HTTP-01 is answered (RFC 8555 section 8.3)."""
CONNECT_TIMEOUT = 1.5
"""Seconds for a TCP handshake with the next best machine."""


class PortState(Enum):
    """What became of a TCP connection."""

    OPEN = "open"
    CLOSED = "closed"
    """Somebody refused it: there is a way."""
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Ways:
    """The public addresses of a name, held against those of this machine."""

    ipv4: tuple[str, ...]
    ipv6: tuple[str, ...]
    own_ipv4: frozenset[str]
    own_ipv6: frozenset[str]

    @property
    def translated(self) -> bool:
        """Whether IPv4 comes in through NAT, most likely: no address of this machine is public."""
        return bool(self.ipv4) and not self.own_ipv4

    @property
    def foreign_ipv4(self) -> bool:
        """Whether the A records lead to other machines."""
        return bool(self.ipv4 and self.own_ipv4) and self.own_ipv4.isdisjoint(self.ipv4)

    @property
    def foreign_ipv6(self) -> bool:
        """Whether the AAAA records lead to other machines."""
        return bool(self.ipv6 and self.own_ipv6) and self.own_ipv6.isdisjoint(self.ipv6)

    @property
    def untried(self) -> tuple[str, ...]:
        """Return the addresses whose port has to be tried before anything can be said."""
        return (*self.ipv4[: self.translated], *self.ipv6[: self.foreign_ipv6])


def ways(addresses: Iterable[str], own: Iterable[str]) -> Ways:
    """Sort the addresses of a name and of this machine."""
    targets, ours = ([each for each in those if is_public(each)] for those in (addresses, own))
    return Ways(
        tuple(each for each in targets if ":" not in each),
        tuple(each for each in targets if ":" in each),
        frozenset(each for each in ours if ":" not in each),
        frozenset(each for each in ours if ":" in each),
    )


def judge(name: str, found: Ways, port_states: Mapping[str, PortState]) -> Iterator[Finding]:
    """Yield what may keep a CA from getting here; `port_states` tells of each of `Ways.untried` that was tried."""
    silent = found.foreign_ipv6 and port_states.get(found.ipv6[0], PortState.OPEN) is not PortState.OPEN
    if silent:
        yield _silent(name, found.ipv6[0])
    if found.foreign_ipv4 or (found.foreign_ipv6 and not silent):
        yield _elsewhere(name, found)
    elif found.ipv6 and not found.own_ipv6:
        yield _without_ipv6(name, found.ipv6[0])
    if found.translated and port_states.get(found.ipv4[0]) is PortState.SILENT:
        yield _no_hairpin(name, found.ipv4[0])


def _silent(name: str, address: str) -> Finding:
    cause = f"{name} has the AAAA record {address}, which is not this machine and does not answer on port 80; CAs prefer IPv6."
    return Finding(name, "ipv6_silent", cause, f"Correct or remove its AAAA record, {AGAIN}")


def _elsewhere(name: str, found: Ways) -> Finding:
    own = listed([*sorted(found.own_ipv4), *sorted(found.own_ipv6)])
    cause = f"{name} points to {listed([*found.ipv4, *found.ipv6])}, not to a public address of this machine ({own})."
    fix = f"Correct its A and AAAA records, unless something there passes port 80 on to this machine, {AGAIN}"
    return Finding(name, "elsewhere", cause, fix)


def _without_ipv6(name: str, address: str) -> Finding:
    cause = f"{name} has the AAAA record {address}, but this machine has no public IPv6 address; CAs prefer IPv6."
    return Finding(name, "ipv6_missing", cause, f"Remove its AAAA record, or give this machine that address, {AGAIN}")


def _no_hairpin(name: str, address: str) -> Finding:
    cause = (
        f"{name} points to {address}, which can't be reached from inside this network: the router's NAT has no hairpin."
    )
    return Finding(name, "hairpin", cause, "Look from outside if the CA can't connect either.", note=True)


def try_port(address: str, port: int, budget: Budget, patience: float = CONNECT_TIMEOUT) -> PortState:
    """Try a TCP connection. Raises `Unanswered` when there is no time left."""
    until = budget.within(patience)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        code = sock.connect_ex((address, port))
        if code == errno.EINPROGRESS:
            code = _outcome(sock, until, budget)
    if code == 0:
        return PortState.OPEN
    return PortState.CLOSED if code == errno.ECONNREFUSED else PortState.SILENT


def _outcome(sock: socket.socket, until: float, budget: Budget) -> int:
    with contextlib.closing(selectors.DefaultSelector()) as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        while (now := time.monotonic()) < until and not budget.cancelled():
            if selector.select(min(SLICE, until - now)):
                return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.ETIMEDOUT
