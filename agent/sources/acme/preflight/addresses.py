"""Whether a name exists, and a CA can go where it points to."""

from __future__ import annotations

from dataclasses import dataclass

from agent.dns.answer import DnsAnswer, plain
from agent.dns.exchange import Unanswered
from agent.errors.acme import AGAIN
from agent.sources.acme.preflight.findings import Finding, listed
from agent.system.names import is_public


@dataclass(frozen=True, slots=True)
class Pointing:
    """What one view of the DNS says of a name's A and AAAA records."""

    ipv4: DnsAnswer | Unanswered
    ipv6: DnsAnswer | Unanswered

    @property
    def answers(self) -> tuple[DnsAnswer, ...]:
        """Return what was answered at all."""
        return tuple(each for each in (self.ipv4, self.ipv6) if isinstance(each, DnsAnswer))

    @property
    def failures(self) -> tuple[Unanswered, ...]:
        """Return why the rest was not."""
        return tuple(each for each in (self.ipv4, self.ipv6) if isinstance(each, Unanswered))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return all addresses as text, those of IPv4 first."""
        return tuple(record.to_text() for answer in self.answers for record in answer.records)


def judge(name: str, pointing: Pointing, *, certain: bool, private_ca: bool) -> Finding | None:
    """Return why a CA can't go where `name` points to, or None. `certain`: the CA is bound to be told the same."""
    if pointing.addresses:
        known = certain and not pointing.failures
        return None if private_ca else _unreachable(name, pointing.addresses, certain=known)
    for answer in pointing.answers:
        if answer.endless:
            return _endless(name, answer, certain=certain)
    if pointing.failures:
        return None
    missing = [answer for answer in pointing.answers if not answer.exists]
    return (
        _nonexistent(name, missing[0], certain=certain)
        if missing
        else _bare(name, pointing.answers[0], certain=certain)
    )


def _unreachable(name: str, addresses: tuple[str, ...], *, certain: bool) -> Finding | None:
    if any(is_public(each) for each in addresses):
        return None
    cause = f"{name} points to {listed(addresses)}, which a public CA does not connect to."
    fix = f"Set its A or AAAA record to a public address that leads here, {AGAIN}"
    return Finding(name, "private_address", cause, fix, certain)


def _endless(name: str, answer: DnsAnswer, *, certain: bool) -> Finding:
    way = " -> ".join(plain(each) for each in (answer.name, *answer.aliases[:3]))
    cause = f"{name} is an alias that leads nowhere: its CNAME records go in a circle or on for too long ({way} ...)."
    return Finding(name, "alias", cause, f"Correct the CNAME record of {name}, {AGAIN}", certain)


def _nonexistent(name: str, answer: DnsAnswer, *, certain: bool) -> Finding:
    cause = f"{_subject(name, answer)} does not exist in the DNS (NXDOMAIN from {listed(answer.hosts)})."
    return Finding(name, "nxdomain", cause, _cure(name, answer), certain)


def _bare(name: str, answer: DnsAnswer, *, certain: bool) -> Finding:
    cause = f"{_subject(name, answer)} has neither an A nor an AAAA record (so say {listed(answer.hosts)})."
    return Finding(name, "no_address", cause, _cure(name, answer), certain)


def _subject(name: str, answer: DnsAnswer) -> str:
    return f"{name} is an alias of {plain(answer.target)}, which" if answer.aliases else name


def _cure(name: str, answer: DnsAnswer) -> str:
    if answer.aliases:
        return f"Correct the CNAME record of {name}, or give {plain(answer.target)} an address, {AGAIN}"
    return f"Add an A or AAAA record for {name}, {AGAIN}"


def judge_horizon(name: str, outside: Pointing, inside: Pointing, own: frozenset[str]) -> Finding | None:
    """Return that the name points elsewhere inside this network than for the CA (split-horizon DNS), or None.

    `own` are this machine's addresses. Public addresses that differ are most likely one service in several places.
    """
    there, here = frozenset(outside.addresses), frozenset(inside.addresses)
    if outside.failures or inside.failures or there & here or not there | here:
        return None
    nothing = "without an address"
    ways = f"{listed(outside.addresses) or nothing} for the CA, but {listed(inside.addresses) or nothing} inside this network"
    cause = f"{name} is {ways}."
    harmless = bool(there and here) and (here <= own or all(map(is_public, there | here)))
    fix = "Look whether that is meant: the CA goes by the zone's own name servers, not by this network's resolver."
    return Finding(name, "split_horizon", cause, fix, note=harmless)
