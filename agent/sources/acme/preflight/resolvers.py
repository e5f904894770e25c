"""The DNS as this network's resolvers see it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from agent.sources.acme.preflight.answer import LONGEST_ALIAS, DnsAnswer, alias_of, is_definite, records_of
from agent.sources.acme.preflight.exchange import PATIENCE, Budget, Server, Unanswered, ask, make_query
from agent.sources.acme.preflight.memory import Memory

RESOLV_CONF = Path("/etc/resolv.conf")
DNS_PORT = 53
MOST = 3
"""As many as the C library asks (resolv.conf(5))."""


def system_resolvers(file: Path = RESOLV_CONF, port: int = DNS_PORT) -> tuple[Server, ...]:
    """Return the resolvers that the system's file names; where it names none, the one on this machine (resolv.conf(5))."""
    try:
        rows = [line.split() for line in file.read_text(errors="replace").splitlines()]
    except OSError:
        rows = []
    found = [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]
    return tuple((address, port) for address in found[:MOST]) or (("127.0.0.1", port),)


class Resolvers:
    """A `View`: what recursive servers answer, from their memory or not."""

    def __init__(self, servers: Sequence[Server], memory: Memory, *, patience: float = PATIENCE) -> None:
        self.servers = tuple(servers)
        self._memory = memory
        self._patience = patience
        self._hosts = tuple(address for address, _port in self.servers)

    def look_up(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        """Ask now; once they have turned out to be silent, not even that. Raises `Unanswered`."""
        return self._memory.attempt(("resolvers", kind), name, lambda: self._ask(name, kind, budget))

    def recall(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        """Return what was answered in the last minutes, or ask. Raises `Unanswered`."""
        return self._memory.recall(("resolvers", name, kind), lambda: self.look_up(name, kind, budget))

    def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        try:
            reply = self._exchange(name, kind, budget, dns.flags.RD)
        except Unanswered as error:
            error.bogus = error.rcode == dns.rcode.SERVFAIL and self._answers_unchecked(name, kind, budget)
            raise
        aliases: list[dns.name.Name] = []
        target = name
        while (following := alias_of(reply, target)) is not None and len(aliases) < LONGEST_ALIAS:
            aliases.append(following)
            target = following
        return DnsAnswer(
            name,
            records_of(reply, target, kind),
            exists=reply.rcode() != dns.rcode.NXDOMAIN,
            aliases=tuple(aliases),
            endless=following is not None,
            hosts=self._hosts,
        )

    def _answers_unchecked(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> bool:
        """Whether there is an answer if signatures needn't be good: the CD bit (RFC 4035 section 3.2.2)."""
        try:
            self._exchange(name, kind, budget, dns.flags.RD | dns.flags.CD)
        except Unanswered:
            return False
        return True

    def _exchange(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget, flags: int
    ) -> dns.message.Message:
        return ask(make_query(name, kind, flags), self.servers, budget, is_definite, patience=self._patience)
