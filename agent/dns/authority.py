"""The DNS as a CA sees it: from the root servers down to a zone's own, without anybody's memory between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdataclass import IN
from dns.rdatatype import AAAA, NS, A

from agent.dns.addresses import is_of_another, is_of_one
from agent.dns.answer import LONGEST_ALIAS, DnsAnswer, View, alias_of, is_definite, plain, records_of
from agent.dns.exchange import PATIENCE, Budget, Server, Unanswered, ask, make_query
from agent.dns.memory import Memory
from agent.system.names import is_public

ROOT_SERVERS = (
    "198.41.0.4", "170.247.170.2", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4",
    "198.97.190.53", "192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33",
    "2001:503:ba3e::2:30", "2801:1b8:10::b", "2001:500:2::c", "2001:500:2d::d", "2001:500:a8::e", "2001:500:2f::f",
    "2001:500:12::d0d", "2001:500:1::53", "2001:7fe::53", "2001:503:c27::2:30", "2001:7fd::1", "2001:500:9f::42",
    "2001:dc3::35",
)  # fmt: skip
"""a to m.root-servers.net (https://www.iana.org/domains/root/servers); any one of them will do."""
OF_IPV4, OF_IPV6 = 3, 2
"""How many of a zone's servers are asked, of each family."""
SHALLOW = 3
"""Labels, with the root's empty one, of a name that is most likely a zone of its own."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the DNS that has servers of its own."""

    name: dns.name.Name
    hosts: tuple[str, ...]
    servers: tuple[Server, ...]

    def may_refer_to(self, address: str) -> bool:
        """Whether an address that its servers tell is asked: public ones tell no address of this machine or its network."""
        public = any(is_public(own) for own, _port in self.servers)
        return is_public(address) if public else is_of_one(address)


class Authority:
    """A `View`: what the authoritative servers say. `resolvers` know the addresses of servers that lie elsewhere."""

    def __init__(
        self,
        resolvers: View,
        memory: Memory,
        *,
        roots: Sequence[str] = ROOT_SERVERS,
        port: int = 53,
        patience: float = PATIENCE,
        turn: int = 0,
    ) -> None:
        """`turn` says which of a zone's servers is the first: two that differ by one don't ask the same."""
        self._resolvers, self._memory, self._port = resolvers, memory, port
        self._patience, self._turn = patience, turn
        self._root = Zone(dns.name.root, (), self._choice(roots))

    def look_up(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        """Ask now, and follow aliases into other zones. Raises `Unanswered`, with the zone."""
        aliases: list[dns.name.Name] = []
        while True:
            target = aliases[-1] if aliases else name
            zone, reply = self._ask(target, kind, budget)
            following = alias_of(reply, target)
            endless = following is not None and (following in {name, *aliases} or len(aliases) >= LONGEST_ALIAS)
            if following is None or endless:
                exists = reply.rcode() != dns.rcode.NXDOMAIN
                return DnsAnswer(name, records_of(reply, target, kind), exists, tuple(aliases), endless, zone.hosts)
            aliases.append(following)

    def recall(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        """Return what was answered in the last minutes, or ask. Raises `Unanswered`, with the zone."""
        return self._memory.recall(("authority", name, kind), lambda: self.look_up(name, kind, budget))

    def zone_of(self, name: dns.name.Name, budget: Budget) -> Zone:
        """Return the zone in which names below `name` are looked up first, and `name` itself. Raises `Unanswered`."""
        if name == dns.name.root:
            return self._root
        return self._memory.recall(("zone of", name), lambda: self._zone_from_above(name, budget))

    def _zone_from_above(self, name: dns.name.Name, budget: Budget) -> Zone:
        above = self.zone_of(name.parent(), budget)
        # the type that no server stumbles over (RFC 9156 section 2.1)
        return self._below(above, self._ask_zone(above, name, A, budget), name, budget) or above

    def _ask(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget
    ) -> tuple[Zone, dns.message.Message]:
        zone = self.zone_of(name if len(name) <= SHALLOW else name.parent(), budget)
        while True:  # each cut is nearer to the name
            reply = self._ask_zone(zone, name, kind, budget)
            below = self._below(zone, reply, name, budget)
            if below is None:
                return zone, reply
            zone = below

    def _ask_zone(
        self, zone: Zone, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget
    ) -> dns.message.Message:
        def useful(reply: dns.message.Message) -> bool:
            return is_definite(reply) and (
                bool(reply.flags & dns.flags.AA) or delegation(reply, zone.name, name) is not None
            )

        query = make_query(name, kind, 0)
        try:
            return self._memory.attempt(
                ("zone", zone.name, kind),
                name,
                lambda: ask(query, zone.servers, budget, useful, patience=self._patience),
            )
        except Unanswered as error:
            raise _of(zone, error) from None

    def _below(self, zone: Zone, reply: dns.message.Message, name: dns.name.Name, budget: Budget) -> Zone | None:
        """Return the zone that `reply` refers to, None if it's no referral."""
        cut = delegation(reply, zone.name, name)
        if cut is None:
            return None
        return self._memory.recall(("zone", cut), lambda: self._delegated(zone, cut, reply, budget))

    def _delegated(self, above: Zone, cut: dns.name.Name, reply: dns.message.Message, budget: Budget) -> Zone:
        hosts = sorted(each.target for each in reply.find_rrset(reply.authority, cut, IN, NS))
        addresses = [each for host in hosts for each in _glue(reply, host) if above.may_refer_to(each)]
        if not addresses:
            found = [each for host in hosts[:OF_IPV4] for each in self._addresses(host, budget)]
            addresses = [each for each in found if above.may_refer_to(each) or is_of_another(each)]
        zone = Zone(cut, tuple(map(plain, hosts)), self._choice(addresses))
        if not addresses:
            raise _of(zone, Unanswered("their addresses can't be found"))
        return zone

    def _addresses(self, host: dns.name.Name, budget: Budget) -> list[str]:
        """Return the addresses of a name server that its zone's parent doesn't know."""
        for kind in (A, AAAA):
            try:
                found = self._resolvers.recall(host, kind, budget).records
            except Unanswered:
                continue
            if found:
                return [each.to_text() for each in found]
        return []

    def _choice(self, addresses: Iterable[str]) -> tuple[Server, ...]:
        """Return some servers of both families, those of IPv4 first, because every network carries it."""
        known = sorted(set(addresses))  # servers tell them in any order
        of_ipv6 = [each for each in known if ":" in each]
        of_ipv4 = [each for each in known if ":" not in each]
        chosen = self._turned(of_ipv4)[:OF_IPV4] + self._turned(of_ipv6)[:OF_IPV6]
        return tuple((address, self._port) for address in chosen)

    def _turned(self, addresses: list[str]) -> list[str]:
        first = self._turn % len(addresses) if addresses else 0
        return addresses[first:] + addresses[:first]


def delegation(reply: dns.message.Message, zone: dns.name.Name, name: dns.name.Name) -> dns.name.Name | None:
    """Return the zone below `zone` that a server refers to for `name` (RFC 1034 section 4.3.2, step 3b); None: it doesn't."""
    if reply.answer or reply.rcode() != dns.rcode.NOERROR:
        return None
    cuts = (each.name for each in reply.authority if (each.rdclass, each.rdtype) == (IN, NS))
    return next((cut for cut in cuts if cut != zone and cut.is_subdomain(zone) and name.is_subdomain(cut)), None)


def _glue(reply: dns.message.Message, host: dns.name.Name) -> list[str]:
    return [
        each.to_text()
        for found in reply.additional
        if found.name == host and found.rdclass == IN and found.rdtype in {A, AAAA}
        for each in found
    ]


def _of(zone: Zone, error: Unanswered) -> Unanswered:
    """Return the error with the zone whose servers it is about."""
    error.zone = error.zone or zone.name
    error.hosts = error.hosts or zone.hosts
    return error
