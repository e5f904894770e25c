"""One look at the names of an order: everything that is asked, at the same time, and what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TypeVar

import dns.name
from dns.rdatatype import AAAA, A

from agent.dns.answer import DnsAnswer, View
from agent.dns.authority import Authority
from agent.dns.exchange import Budget, Unanswered
from agent.dns.memory import Memory
from agent.dns.resolvers import Resolvers
from agent.sources.acme.challenges.challenge_type import CONNECTING
from agent.sources.acme.preflight import addresses, caa, reach, trouble
from agent.sources.acme.preflight.addresses import Pointing
from agent.sources.acme.preflight.caa import Applicant
from agent.sources.acme.preflight.findings import Finding
from agent.sources.acme.preflight.reach import PortState, Ways
from agent.system.names import is_address, is_wildcard

T = TypeVar("T")

WORKERS = 32
"""Questions under way at the same time, of all orders."""
FRESH = 5.0
"""Seconds for which an order goes by the addresses that were found for it: one look is good for all its steps."""


def by_http(name: str) -> Sequence[str]:
    """Return how a name is proved where nothing else is known."""
    return ("dns-01",) if is_wildcard(name) else ("http-01",)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at, and for whom."""

    names: tuple[str, ...]
    applicant: Applicant
    methods: Callable[[str], Sequence[str]]
    """Types of the challenges that may be answered for a name, the first one first."""
    own: frozenset[str]
    """This machine's addresses."""
    private_ca: bool

    def connects(self, name: str) -> bool:
        """Whether the CA may connect to where a name points to; else its proof is in the DNS itself."""
        return not CONNECTING.isdisjoint(self.methods(name))


@dataclass(frozen=True, slots=True)
class Views:
    """Both views of the DNS, and what they have seen lately."""

    resolvers: Resolvers
    authority: Authority
    memory: Memory
    port_state: Callable[[str, Budget], PortState]
    """Try the ports where a name points to. Raises `Unanswered`."""
    opened_at: float
    """Nothing was seen before this instant of `time.monotonic`."""
    vouched: bool
    """Whether an administrator has named the resolvers: a private CA sees what they see."""
    pool: Executor
    """Who asks: to start threads for each name takes as long as to ask."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one DNS name."""

    name: str
    outside: Pointing | None
    """As the CA sees it; None: it sees what this network sees, or where the name points to doesn't matter."""
    inside: Pointing | None
    """As this network's resolvers see it; None: where the name points to doesn't matter."""
    caa: DnsAnswer | Unanswered | None
    """The relevant CAA records."""
    caa_certain: bool
    """Whether the CA is bound to see the same ones."""

    @property
    def believed(self) -> Pointing | None:
        """Return what to go by: this network's view only if there is no other."""
        return self.outside if self.outside is not None and self.outside.answers else self.inside

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return all that it points to, as far as that is believed."""
        return self.believed.addresses if self.believed else ()


def look(subject: Subject, views: Views, budget: Budget) -> list[Finding]:
    """Return what is found now, name by name."""
    begun = [_begin(name, subject, views, budget) for name in subject.names if not is_address(name)]
    looks = [join() for join in begun]
    _keep_addresses(looks, subject, views)
    found = {name: reach.ways(those, subject.own) for name, those in _targets(subject, looks)}
    port_states = _try_ports(found.values(), views, budget)
    judged = [finding for each in looks for finding in _judge(each, subject, views)]
    return judged + [finding for name, ways in found.items() for finding in reach.judge(name, ways, port_states)]


def addresses_of(name: str, views: Views, budget: Budget, *, private_ca: bool) -> tuple[str, ...]:
    """Return the addresses of a name, as its CA sees them if that can be known; those that its order has just met."""
    return views.memory.recall(
        _found_by(name, private_ca), lambda: _addresses_of(name, views, budget, private_ca=private_ca), FRESH
    )


def _addresses_of(name: str, views: Views, budget: Budget, *, private_ca: bool) -> tuple[str, ...]:
    target = dns.name.from_text(name)
    inside = _point(target, views.resolvers, budget, views.pool)
    outside = None if private_ca else _point(target, views.authority, budget, views.pool)
    return Look(name, outside() if outside else None, inside(), None, caa_certain=False).addresses


def _keep_addresses(looks: Iterable[Look], subject: Subject, views: Views) -> None:
    """Have the steps of an order that follow go by what this look has found."""
    for each in looks:
        if each.inside is not None:
            views.memory.keep(_found_by(each.name, subject.private_ca), each.addresses, FRESH)


def _found_by(name: str, private_ca: bool) -> tuple[str, str, bool]:
    """Return where the addresses of a name are kept."""
    return "addresses", name, private_ca


# Asking


def _begin(name: str, subject: Subject, views: Views, budget: Budget) -> Callable[[], Look]:
    """Begin to ask all there is to ask of one name; return how to wait for it."""
    target = dns.name.from_text(name.removeprefix("*."))
    matters = subject.connects(name)
    inside = _point(target, views.resolvers, budget, views.pool) if matters else None
    outside = _point(target, views.authority, budget, views.pool) if matters and not subject.private_ca else None
    records = views.pool.submit(_caa, target, subject, views, budget)

    def join() -> Look:
        caa_records, certain = records.result()
        return Look(name, outside() if outside else None, inside() if inside else None, caa_records, certain)

    return join


def _point(target: dns.name.Name, view: View, budget: Budget, pool: Executor) -> Callable[[], Pointing]:
    ipv4 = pool.submit(attempt, lambda: view.look_up(target, A, budget))
    ipv6 = pool.submit(attempt, lambda: view.look_up(target, AAAA, budget))
    return lambda: Pointing(ipv4.result(), ipv6.result())


def _caa(
    target: dns.name.Name, subject: Subject, views: Views, budget: Budget
) -> tuple[DnsAnswer | Unanswered | None, bool]:
    """Return the relevant CAA records, and whether the CA is bound to see the same."""
    if not subject.applicant.identities:
        return None, False
    if not subject.private_ca:
        found = attempt(lambda: caa.relevant_records(target, views.authority, budget))
        if not (isinstance(found, Unanswered) and trouble.is_cut_off(found)):
            return found, True
    certain = subject.private_ca and views.vouched
    return attempt(lambda: caa.relevant_records(target, views.resolvers, budget)), certain


def attempt(find: Callable[[], T]) -> T | Unanswered:
    """Return what was found, or why nothing was: a preflight must not be what an order fails of."""
    try:
        return find()
    except Unanswered as error:
        return error
    except Exception as error:  # whatever a library makes of what a stranger's server sends
        return Unanswered(f"the answer led to {type(error).__name__}", lasting=False)


def _targets(subject: Subject, looks: Iterable[Look]) -> Iterator[tuple[str, Sequence[str]]]:
    yield from ((each.name, each.believed.addresses) for each in looks if each.believed)
    yield from ((name, (name,)) for name in subject.names if is_address(name) and subject.connects(name))


def _try_ports(found: Iterable[Ways], views: Views, budget: Budget) -> dict[str, PortState]:
    """Try each address once; those for which there was no time are left out."""

    def try_port(address: str) -> PortState | Unanswered:
        return attempt(lambda: views.memory.recall(("port", address), lambda: views.port_state(address, budget)))

    addresses = [*dict.fromkeys(address for each in found for address in each.untried)]
    tried = zip(addresses, views.pool.map(try_port, addresses), strict=True)
    return {address: port_state for address, port_state in tried if isinstance(port_state, PortState)}


# Judging


def _judge(each: Look, subject: Subject, views: Views) -> Iterator[Finding]:
    for found in _judge_addresses(each, subject, views):
        yield replace(found, methods=frozenset(map(str, CONNECTING)))
    yield from _judge_caa(each, subject)


def _judge_addresses(each: Look, subject: Subject, views: Views) -> Iterator[Finding]:
    certain = each.believed is each.outside if each.outside is not None else views.vouched
    if each.believed is not None and (
        found := addresses.judge(each.name, each.believed, certain=certain, private_ca=subject.private_ca)
    ):
        yield found
    if each.outside is not None and each.inside is not None:
        yield from (trouble.of_authority(each.name, error) for error in each.outside.failures)
        if split := addresses.judge_horizon(each.name, each.outside, each.inside, subject.own):
            yield split
    if each.inside is not None:
        servers = tuple(address for address, _port in views.resolvers.servers)
        yield from (trouble.of_resolvers(each.name, error, servers) for error in each.inside.failures)


def _judge_caa(each: Look, subject: Subject) -> Iterator[Finding]:
    if isinstance(each.caa, Unanswered):
        told = {error.zone for those in (each.outside, each.inside) if those for error in those.failures}
        if each.caa.zone not in told:
            yield trouble.of_caa(each.name, each.caa)
    elif each.caa is not None:
        yield from _judge_records(each, each.caa, subject)


def _judge_records(each: Look, records: DnsAnswer, subject: Subject) -> Iterator[Finding]:
    """Yield why the CA must refuse the name; where that is so by some methods only, why by each of these."""
    methods = tuple(subject.methods(each.name))
    for those in (methods, *((method,) for method in methods[1:] and methods)):
        applicant = replace(subject.applicant, methods=those)
        if found := caa.judge(each.name, records, applicant, certain=each.caa_certain):
            yield found if those == methods else replace(found, methods=frozenset(those))
            if those == methods:
                return
