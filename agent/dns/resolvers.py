"""The DNS as this network sees it: what the resolvers say that it is set up with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdatatype
import dns.resolver

from agent.dns.answer import LONGEST_ALIAS, DnsAnswer, alias_of, is_definite, records_of
from agent.dns.exchange import PATIENCE, PAYLOAD, Budget, Server, Unanswered, what_was_said
from agent.dns.memory import Memory

RESOLV_CONF = Path("/etc/resolv.conf")
DNS_PORT = 53
MOST = 3
"""As many as the C library asks (resolv.conf(5))."""
TRY = 0.8
"""Seconds until the next resolver is asked."""
SLACK = 0.1
"""Seconds by which the library may give up too early; more is a jump of the wall clock, by which it counts."""


def system_resolvers(file: Path = RESOLV_CONF, port: int = DNS_PORT) -> tuple[Server, ...]:
    """Return the resolvers that the system's file names; where it names none, the one on this machine (resolv.conf(5))."""
    try:
        found = dns.resolver.Resolver(str(file)).nameservers
    except (dns.exception.DNSException, ValueError):
        found = []
    return tuple((str(address), port) for address in found[:MOST]) or (("127.0.0.1", port),)


class Resolvers:
    """A `View`: what recursive servers answer, from their memory or not."""

    def __init__(self, servers: Sequence[Server], memory: Memory, *, patience: float = PATIENCE) -> None:
        self.servers = tuple(servers)
        self._memory = memory
        self._patience = patience
        self._hosts = tuple(address for address, _port in self.servers)
        self._validating = self._resolver(dns.flags.RD)
        self._unchecked = self._resolver(dns.flags.RD | dns.flags.CD)
        """Answers if signatures needn't be good (RFC 4035 section 3.2.2)."""

    def _resolver(self, flags: int) -> dns.resolver.Resolver:
        made = dns.resolver.Resolver(configure=False)
        made.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in self.servers]
        made.timeout = TRY
        made.set_flags(flags)
        made.use_edns(0, 0, PAYLOAD)
        return made

    def look_up(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        """Ask now; once they have turned out to be silent, not even that. Raises `Unanswered`."""
        return self._memory.attempt(("resolvers", kind), name, lambda: self._ask(name, kind, budget))

    def recall(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        """Return what was answered in the last minutes, or ask. Raises `Unanswered`."""
        return self._memory.recall(("resolvers", name, kind), lambda: self.look_up(name, kind, budget))

    def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        try:
            reply = self._resolve(self._validating, name, kind, budget)
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
        try:
            self._resolve(self._unchecked, name, kind, budget)
        except Unanswered:
            return False
        return True

    def _resolve(
        self, resolver: dns.resolver.Resolver, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget
    ) -> dns.message.Message:
        until = budget.within(self._patience)
        lifetime, early = until - time.monotonic(), False
        try:
            return resolver.resolve(name, kind, raise_on_no_answer=False, search=False, lifetime=lifetime).response
        except dns.resolver.NXDOMAIN as error:
            replies: list[dns.message.Message] = list(error.kwargs["responses"].values())
        except dns.resolver.YXDOMAIN:  # a DNAME record makes a name of it that is too long (RFC 6672 section 2.2)
            raise Unanswered("the answer was YXDOMAIN", rcode=dns.rcode.YXDOMAIN) from None
        except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as error:
            replies = [reply for *_, reply in error.kwargs["errors"] if reply is not None]
            early = isinstance(error, dns.resolver.LifetimeTimeout) and time.monotonic() < until - SLACK
        if not replies:
            lasting = not early and time.monotonic() < budget.deadline and not budget.cancelled()
            raise Unanswered("there was no answer", lasting=lasting)
        if is_definite(replies[-1]):  # also what the library does not accept: aliases that go in a circle
            return replies[-1]
        raise Unanswered(what_was_said(replies[-1]), rcode=replies[-1].rcode())
