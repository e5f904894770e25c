"""What the DNS says of a name, once its aliases have been followed (RFC 1034 section 4.3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from agent.dns.exchange import Budget, Unanswered

LONGEST_ALIAS = 16
"""Aliases of aliases after which resolvers give up, at the latest."""


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """Records of one type of a name, or their absence."""

    name: dns.name.Name
    records: tuple[dns.rdata.Rdata, ...] = ()
    exists: bool = True
    """Whether there is such a name at all; False: NXDOMAIN."""
    aliases: tuple[dns.name.Name, ...] = ()
    """Where its CNAME records led, one after the other; the last is the name that `records` are of."""
    endless: bool = False
    """The aliases lead in a circle, or are more than resolvers follow."""
    hosts: tuple[str, ...] = ()
    """Names of the servers that say so, or their addresses where they have none."""

    @property
    def target(self) -> dns.name.Name:
        """The name that has the records, or should have."""
        return self.aliases[-1] if self.aliases else self.name


class View(Protocol):
    """The DNS as somebody sees it."""

    def look_up(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        """Ask now. Raises `Unanswered`."""

    def recall(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, budget: Budget) -> DnsAnswer:
        """Return what was answered in the last minutes, or ask. Raises `Unanswered`."""


def alias_of(reply: dns.message.Message, name: dns.name.Name) -> dns.name.Name | None:
    """Return where a CNAME record of `name` leads to, also one that comes of a DNAME record (RFC 6672)."""
    found = reply.get_rrset(reply.answer, name, dns.rdataclass.IN, dns.rdatatype.CNAME)
    return found[0].target if found else None


def records_of(
    reply: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> tuple[dns.rdata.Rdata, ...]:
    """Return the records of one type that the answer has for exactly `name`."""
    found = reply.get_rrset(reply.answer, name, dns.rdataclass.IN, kind)
    return tuple(found) if found else ()


def is_definite(reply: dns.message.Message) -> bool:
    """Whether it says that there is something or that there is nothing, rather than that something went wrong."""
    return reply.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN} and not reply.errors


def parsed(name: str) -> dns.name.Name:
    """Return a name that questions can be asked about. Raises `Unanswered`: with a label before it, a long one is too long."""
    try:
        return dns.name.from_text(name)
    except dns.exception.DNSException:
        # no server has been silent
        raise Unanswered(f"{name} is longer than a name in the DNS can be", rcode=dns.rcode.NXDOMAIN) from None


def plain(name: dns.name.Name) -> str:
    """Return a name as people write it, without the final dot."""
    return name.to_text(omit_final_dot=True)
