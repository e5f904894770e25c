"""Questions to DNS about TLSA records (RFC 6698), asked without the lock, and the storing of the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from agent.model.tlsa import LONGEST_TTL, TlsaLook, TlsaRecord
from agent.store import Store

if TYPE_CHECKING:
    import dns.message
    import dns.name

    from agent.dns.exchange import Budget, Server

SECONDS = 60.0
"""For all names together."""
BEGUN = timedelta(minutes=5)
"""Nobody else asks for so long; then the process that began is taken to be dead."""
SOONEST, LATEST = timedelta(minutes=15), timedelta(hours=6)
"""Between two questions about one name: as long as the records may be remembered, within these."""
AFTER_FAILURE = timedelta(minutes=30)
LONGEST_ALIAS = 16
EVERY = ""
"""Stands for all domains."""


REMOTE = "TLSA resolver"
"""Key of `meta`: address of the resolver off this machine that the last answers may be of; empty: none is asked."""


@dataclass(frozen=True, slots=True)
class TlsaAnswer:
    """What DNS said of one name."""

    owner: str
    records: tuple[TlsaRecord, ...] = ()
    authenticated: bool = False
    ttl: int = 0
    problem: str = ""
    """Why there is no answer, a clause."""
    resolver: str = ""
    """Address of a resolver off this machine that it may be of: it could be forged on the way."""


def begin(store: Store, owners: Collection[str], now: datetime) -> None:
    """Keep others from asking the same for a while. Call inside `Store.write`."""
    known = store.tlsa.all()
    looks = (known.get(owner) or TlsaLook(owner) for owner in owners)
    store.tlsa.put([replace(each, asked_at=now, next_at=now + BEGUN) for each in looks])


def ask_dns(owners: Sequence[str], servers: Sequence[Server], cancelled: Callable[[], bool]) -> list[TlsaAnswer]:
    """Ask for the records of each name, one after the other, as far as there is time: the others are asked next time.

    Where nobody answers for one name, the others of its domain are not asked, and none where the resolvers answer nothing at all.
    """
    from agent.dns.exchange import Budget
    from agent.dns.resolvers import system_resolvers

    budget = Budget(time.monotonic() + SECONDS, cancelled)
    asked = servers or system_resolvers()
    remote = next((address for address, _port in asked if not _is_here(address)), "")
    return [replace(each, resolver=remote) for each in _answers(owners, asked, budget)]


def _is_here(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback


def _answers(owners: Sequence[str], servers: Sequence[Server], budget: Budget) -> Iterator[TlsaAnswer]:
    from agent.dns.exchange import Unanswered

    silent: dict[str, str] = {}
    for owner in owners:
        problem = silent.get(EVERY) or silent.get(_domain(owner))
        if problem:
            yield TlsaAnswer(owner, problem=problem)
            continue
        try:
            yield _answer(owner, servers, budget)
        except Unanswered as error:
            if not error.lasting:
                return
            if error.rcode is None:
                silent[_domain(owner) if _is_alive(servers, budget) else EVERY] = str(error)
            yield TlsaAnswer(owner, problem=str(error))


def _domain(owner: str) -> str:
    """Return what names of one zone have in common, as far as their form tells."""
    return owner.split(".", 3)[-1]


def _is_alive(servers: Sequence[Server], budget: Budget) -> bool:
    """Whether resolvers answer what each of them knows: then it is a zone whose servers are silent."""
    import dns.flags
    import dns.name
    import dns.rdatatype

    from agent.dns.exchange import Unanswered, ask, make_query

    try:
        ask(make_query(dns.name.root, dns.rdatatype.NS, dns.flags.RD), servers, budget, lambda _reply: True)
    except Unanswered:
        return False
    return True


def _answer(owner: str, servers: Sequence[Server], budget: Budget) -> TlsaAnswer:
    import dns.flags
    import dns.rdatatype

    from agent.dns.answer import is_definite, parsed
    from agent.dns.exchange import ask, make_query

    name = parsed(owner)
    # AD in a question asks for AD in the answer (RFC 6840 section 5.7).
    query = make_query(name, dns.rdatatype.TLSA, dns.flags.RD | dns.flags.AD)
    reply = ask(query, servers, budget, is_definite)
    return _read(owner, name, reply)


def _read(owner: str, name: dns.name.Name, reply: dns.message.Message) -> TlsaAnswer:
    import dns.flags
    import dns.rdataclass
    import dns.rdatatype

    from agent.dns.answer import alias_of

    authenticated = bool(reply.flags & dns.flags.AD)
    for _ in range(LONGEST_ALIAS):
        following = alias_of(reply, name)
        if following is None:
            break
        name = following
    found = reply.get_rrset(reply.answer, name, dns.rdataclass.IN, dns.rdatatype.TLSA)
    if not found:
        return TlsaAnswer(owner, authenticated=authenticated)
    records = {TlsaRecord(each.usage, each.selector, each.mtype, each.cert.hex()) for each in found}
    return TlsaAnswer(owner, tuple(sorted(records)), authenticated, min(found.ttl, LONGEST_TTL))


def settle_answers(store: Store, answers: Sequence[TlsaAnswer], now: datetime) -> None:
    """Store what DNS has said, in one transaction. Call under the lock."""
    if not answers:
        return
    with store.write():
        store.remember(REMOTE, answers[-1].resolver)
        known = store.tlsa.all()
        store.tlsa.put([_look(each, known.get(each.owner) or TlsaLook(each.owner), now) for each in answers])


def _look(answer: TlsaAnswer, before: TlsaLook, now: datetime) -> TlsaLook:
    if answer.problem:
        return replace(before, asked_at=now, next_at=now + AFTER_FAILURE, problem=answer.problem)
    same = before.records == answer.records
    # A resolver tells how long it remembers, which is shorter than what the zone says.
    ttl = max(answer.ttl, before.ttl) if (before.since and not before.known_to_all(now)) or same else answer.ttl
    ttl = max(ttl, before.ttl if before.records and not same else 0)
    if before.authenticated and not answer.authenticated and not same:
        ttl = LONGEST_TTL  # it may be forged: another answer comes before it counts
    pause = min(max(timedelta(seconds=answer.ttl), SOONEST), LATEST)
    return TlsaLook(
        owner=answer.owner,
        records=answer.records,
        authenticated=answer.authenticated,
        ttl=ttl,
        since=before.since if same and before.since else now,
        asked_at=now,
        next_at=now + pause,
    )
