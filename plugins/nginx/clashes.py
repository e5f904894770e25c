"""Clashes of the administrator's servers with the agent's: what nginx is silent about, or tells without a file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.nginx.servers import Listen, Server

APPLY = "then: chainwright apply"


@dataclass(frozen=True, slots=True)
class Clash:
    """One thing that the administrator should know."""

    severity: str
    why: str
    """A clause."""
    fix: str

    @property
    def subject(self) -> str:
        """What it is about, unlike all others."""
        return self.why


def clashes(servers: Sequence[Server]) -> Iterator[Clash]:
    """Give every clash that concerns the agent's servers. Pure."""
    yield from _same_names(servers)
    yield from _hidden_by_an_address(servers)
    yield from _two_families(servers)
    yield from _said_twice(servers)
    yield from _tls_and_plain(servers)


def _by_address(servers: Sequence[Server]) -> dict[tuple[str, int], list[tuple[Server, Listen]]]:
    found: dict[tuple[str, int], list[tuple[Server, Listen]]] = defaultdict(list)
    for server in servers:
        for listen in server.listens:
            found[listen.address, listen.port].append((server, listen))
    return found


def _same_names(servers: Sequence[Server]) -> Iterator[Clash]:
    """Of two servers with one name at one address nginx takes the first, and its warning names no file."""
    found: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for there in _by_address(servers).values():
        first: dict[str, tuple[Server, str]] = {}
        for server, listen in there:
            for name, place in server.names:
                other, at = first.setdefault(name, (server, str(place)))
                if other.ours is not server.ours and name and not name.startswith("~"):
                    their = at if server.ours else str(place)
                    found[name, their, server.ours].append(str(listen))
    for (name, their, ours_is_ignored), addresses in found.items():
        where = " and ".join(dict.fromkeys(addresses))
        fix = f"Take {name} out of {their}, or out of Chainwright's settings, {APPLY}"
        if ours_is_ignored:
            yield Clash(
                "error",
                f"nginx serves {name} at {where} as {their} says, and ignores Chainwright's server, which comes after it",
                fix,
            )
        else:
            yield Clash(
                "warning",
                f"nginx ignores the {name} of {their} at {where}, as Chainwright's server comes before it",
                fix,
            )


def _hidden_by_an_address(servers: Sequence[Server]) -> Iterator[Clash]:
    """Clients of an address that is named somewhere see the servers of that address alone, and nginx is silent about it."""
    everywhere: dict[tuple[int, int], Listen] = {}
    for server in servers:
        for listen in server.listens if server.ours else ():
            if listen.everywhere:
                everywhere.setdefault((listen.family, listen.port), listen)
    for there in _by_address(servers).values():
        _, listen = there[0]
        ours = everywhere.get((listen.family, listen.port))
        if ours is None or listen.everywhere or any(server.ours for server, _ in there):
            continue
        why = f"Clients that connect to {listen} get the servers of {listen.place} alone: Chainwright listens at {ours}"
        severity = "notice" if listen.loopback else "warning"
        yield Clash(
            severity, why, f"Add {listen} to `listen` of the modules, or have {listen.place} say {ours}, {APPLY}"
        )


def _two_families(servers: Sequence[Server]) -> Iterator[Clash]:
    """A socket of IPv6 that takes IPv4 as well leaves no room for one of IPv4: found by no test, the start fails."""
    both: dict[int, Listen] = {}
    four: dict[int, Listen] = {}
    for server in servers:
        for listen in server.listens:
            if listen.family == 6 and listen.everywhere and "ipv6only=off" in listen.options:
                both.setdefault(listen.port, listen)
            elif listen.family == 4:
                four.setdefault(listen.port, listen)
    for port, six in both.items():
        other = four.get(port)
        if other is not None and any(
            server.ours for server in servers if any(each.port == port for each in server.listens)
        ):
            taken = f"{six.place} has {six} with ipv6only=off, which takes the port of {other} in {other.place} too"
            why = f"nginx would not start, though its test succeeds: {taken}"
            yield Clash("error", why, f"Take ipv6only=off out of {six.place}, {APPLY}")


def _said_twice(servers: Sequence[Server]) -> Iterator[Clash]:
    """Two default servers of one address are refused, and its options in two places."""
    for there in _by_address(servers).values():
        if not any(server.ours for server, _ in there):
            continue
        address = str(there[0][1])
        defaults = [listen for _, listen in there if listen.default]
        if len(defaults) > 1:
            why = f"nginx refuses two default servers for {address}: {_places(defaults)}"
            yield Clash("error", why, f"Leave default_server to one of them, {APPLY}")
        optional = [listen for _, listen in there if listen.once]
        if len(optional) > 1:
            words = ", ".join(sorted({each for listen in optional for each in listen.once}))
            why = f"nginx refuses the options of {address} ({words}) in two places: {_places(optional)}"
            yield Clash("error", why, f"Leave them in one of them, {APPLY}")


def _places(listens: Sequence[Listen]) -> str:
    return " and ".join(dict.fromkeys(str(each.place) for each in listens))


def _tls_and_plain(servers: Sequence[Server]) -> Iterator[Clash]:
    """An address that one server calls ``ssl`` is TLS for all of them, and nginx is silent about it."""
    for there in _by_address(servers).values():
        tls = [(server, listen) for server, listen in there if "ssl" in listen.options]
        plain = [(server, listen) for server, listen in there if "ssl" not in listen.options]
        if tls and plain and tls[0][0].ours is not plain[0][0].ours:
            why = f"{tls[0][1].place} has TLS at {tls[0][1]}, where {plain[0][1].place} has plain HTTP: nginx does TLS for both"
            yield Clash("warning", why, f"Change the address of one of them, {APPLY}")
