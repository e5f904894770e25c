"""Where a record lies: the end of its name's aliases, its zone, and each server of that zone, asked without a memory between."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdatatype
from dns.rdatatype import AAAA, NS, SOA, TXT, A

from agent.dns.addresses import is_of_one
from agent.dns.answer import alias_of, is_definite, parsed, plain, records_of
from agent.dns.exchange import PATIENCE, Budget, Server, Unanswered, ask, make_query
from agent.dns.memory import Memory
from agent.dns.resolvers import DNS_PORT, RESOLV_CONF, Resolvers, system_resolvers
from agent.errors.wording import escaped

WORKERS = 16
"""Servers that are asked at the same time."""
MOST_HOSTS, MOST_ADDRESSES = 13, 4
"""Servers of a zone, and addresses of one server in each family: a zone can name thousands of other people's."""
NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES})


@dataclass(frozen=True, slots=True, order=True)
class NameServer:
    """One address of a zone's server."""

    host: str
    """What it is called; empty where an administrator has written the address."""
    address: str
    port: int = DNS_PORT

    def __str__(self) -> str:
        shown = self.address if self.port == DNS_PORT else self._with_port
        return f"{self.host} ({shown})" if self.host else shown

    @property
    def _with_port(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def server(self) -> Server:
        """Address and port."""
        return self.address, self.port


@dataclass(frozen=True, slots=True)
class ServedZone:
    """A zone with the servers that are asked about it."""

    name: str
    """Canonical, without a final dot."""
    servers: tuple[NameServer, ...]
    primary: str = ""
    """Name of its primary server, as its SOA record has it."""


class Lookups:
    """Questions about zones. May be used from several threads; zones are remembered for some minutes."""

    def __init__(
        self,
        resolvers: Sequence[Server] = (),
        *,
        port: int = DNS_PORT,
        patience: float = PATIENCE,
        resolv_conf: Path = RESOLV_CONF,
        memory: Memory | None = None,
    ) -> None:
        """`resolvers`: recursive servers; by default those of `resolv_conf`. `port` is that of the zones' own servers."""
        self._memory = memory or Memory()
        self._port, self._patience = port, patience
        self._resolvers = Resolvers(resolvers or system_resolvers(resolv_conf), self._memory, patience=patience)

    def canonical_name(self, name: str, budget: Budget) -> str:
        """Return where the aliases of `name` end, also at one that doesn't exist. Raises `Unanswered`."""
        answer = self._resolvers.look_up(parsed(name), TXT, budget)
        if answer.endless:
            raise Unanswered("its CNAME records lead in a circle")
        return _text(answer.target)

    def zone_of(self, name: str, budget: Budget) -> ServedZone:
        """Return the zone that holds `name`, with all addresses of its servers. Raises `Unanswered`.

        Of a name that is an alias it is the zone in which the alias is written.
        """
        zone, soa = self._apex(parsed(name), budget)
        return self._memory.recall(("servers", zone), lambda: self._served(zone, soa, budget))

    def authoritative_servers(self, name: str, budget: Budget) -> tuple[NameServer, ...]:
        """Return all addresses of the servers of the zone that holds `name`. Raises `Unanswered`."""
        return self.zone_of(name, budget).servers

    def ask_each(
        self, name: str, servers: Iterable[NameServer], budget: Budget, kind: dns.rdatatype.RdataType = TXT
    ) -> Mapping[NameServer, frozenset[str] | Unanswered]:
        """Ask each server for the records of exactly `name`; return its values, or why it has said nothing of use.

        A TXT record of several strings is their concatenation.
        """
        found = self.records_at_each(name, servers, budget, kind)
        return {
            server: records if isinstance(records, Unanswered) else frozenset(map(_value, records))
            for server, records in found.items()
        }

    def records_at_each(
        self, name: str, servers: Iterable[NameServer], budget: Budget, kind: dns.rdatatype.RdataType = TXT
    ) -> Mapping[NameServer, tuple[dns.rdata.Rdata, ...] | Unanswered]:
        """Ask each server in the same way; return its records as they are."""
        asked = list(servers)
        if len(asked) == 1:
            return {asked[0]: self._ask(asked[0], name, kind, budget)}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="dns") as pool:
            return dict(zip(asked, pool.map(lambda each: self._ask(each, name, kind, budget), asked), strict=True))

    def _apex(self, name: dns.name.Name, budget: Budget) -> tuple[dns.name.Name, dns.rdata.Rdata]:
        """Return the zone that holds a name, with its SOA record."""
        while name != dns.name.root:
            answer = self._resolvers.recall(name, SOA, budget)
            if answer.records and not answer.aliases:
                return name, answer.records[0]
            name = name.parent()
        raise Unanswered("no zone holds it that this network's resolvers know")

    def _served(self, zone: dns.name.Name, soa: dns.rdata.Rdata, budget: Budget) -> ServedZone:
        hosts = sorted(each.target for each in self._resolvers.recall(zone, NS, budget).records)  # type: ignore[attr-defined]
        servers = [server for host in hosts[:MOST_HOSTS] for server in self._addresses(host, budget)]
        if not servers:
            raise Unanswered(f"the addresses of the name servers of {plain(zone)} can't be found")
        return ServedZone(_text(zone), tuple(servers), _text(soa.mname))  # type: ignore[attr-defined]

    def _addresses(self, host: dns.name.Name, budget: Budget) -> list[NameServer]:
        found = []
        for kind in (A, AAAA):
            try:
                records = self._resolvers.recall(host, kind, budget).records
            except Unanswered:
                continue
            addresses = [str(each) for each in records if is_of_one(str(each))]
            found += [NameServer(_text(host), each, self._port) for each in sorted(addresses)[:MOST_ADDRESSES]]
        return found

    def _ask(
        self, server: NameServer, name: str, kind: dns.rdatatype.RdataType, budget: Budget
    ) -> tuple[dns.rdata.Rdata, ...] | Unanswered:
        try:
            asked = parsed(name)
            if not has_route(server.address):
                raise NoRoute
            query = make_query(asked, kind, 0)
            reply = ask(query, [server.server], budget, _is_authoritative, patience=self._patience)
        except Unanswered as error:
            return error
        if (target := alias_of(reply, asked)) is not None:
            return AliasInstead(f"it is an alias of {_text(target)} there")
        return records_of(reply, asked, kind)


class NoRoute(Unanswered):
    """No address of that family can be reached from this machine."""

    WHY = "this machine has no route to it"

    def __init__(self) -> None:
        super().__init__(self.WHY)


class AliasInstead(Unanswered):
    """The name has a CNAME record at a server, so that it can have no other."""


def has_route(address: str) -> bool:
    """Whether this machine could send something to an address: one without IPv6 can't be told anything by such a server."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((address, DNS_PORT))
    except OSError as error:
        return error.errno not in NO_ROUTE
    return True


def _is_authoritative(reply: dns.message.Message) -> bool:
    return is_definite(reply) and bool(reply.flags & dns.flags.AA)


def _value(record: dns.rdata.Rdata) -> str:
    return "".join(strings_of(record)) if record.rdtype == TXT else record.to_text()


def strings_of(record: dns.rdata.Rdata) -> tuple[str, ...]:
    """Return the strings of a TXT record, with what a terminal, a log or a page could stumble over escaped; blanks stay."""
    found = (each.decode("ascii", "backslashreplace") for each in record.strings)  # type: ignore[attr-defined]
    return tuple("\t".join(map(escaped, each.split("\t"))) for each in found)


def _text(name: dns.name.Name) -> str:
    return plain(name).lower()
