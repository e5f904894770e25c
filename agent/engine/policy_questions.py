"""Looks at MTA-STS policies (RFC 8461), made without the lock, and the storing of what they say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agent.model.mta_sts import PolicyLook, parse_policy, policy_url
from agent.store import Store
from agent.system.http_exchange import HttpAnswer, HTTPException
from agent.system.http_fetch import Bounds, fetch, why_failed

KEPT = "mta-sts policies"
"""What is kept in `meta`."""
SECONDS = 15.0
"""For one policy."""
ALL_SECONDS = 60.0
"""For all together; the others are looked at next time, when those that took so long have their pause."""
LARGEST = 64 * 1024
"""Octets; RFC 8461 section 3.3 suggests this much."""
LONGEST_REASON = 200
"""Characters of what is told with words of a server."""
BEGUN = timedelta(minutes=5)
"""Nobody else looks for so long."""
LATER, AFTER_FAILURE = timedelta(hours=12), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """What came of one look."""

    domain: str
    mode: str = ""
    hosts: tuple[str, ...] = ()
    problem: str = ""
    """Why there is no policy, a clause."""


def known_policies(store: Store) -> dict[str, PolicyLook]:
    """Return what is known, by domain; nothing where that can't be read."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        looks = [PolicyLook.from_json(each) for each in json.loads(store.meta(KEPT) or "[]")]
        return {each.domain: each for each in looks}
    return {}


def begin(store: Store, domains: Collection[str], now: datetime) -> None:
    """Keep others from looking at the same for a while, and forget other domains' policies. Call inside `Store.write`."""
    known = known_policies(store)
    begun = (known.get(each) or PolicyLook(each) for each in domains)
    _keep(store, known | {each.domain: replace(each, asked_at=now, next_at=now + BEGUN) for each in begun})


def _keep(store: Store, looks: Mapping[str, PolicyLook]) -> None:
    store.remember(KEPT, json.dumps([each.to_json() for each in looks.values()]))


def get_policy(url: str) -> HttpAnswer:
    """Return the answer at a policy's URL. A redirection is none (RFC 8461 section 3.3). Raises as `fetch` does."""
    bounds = Bounds(time.monotonic() + SECONDS, LARGEST, schemes=("https",), redirections=0)
    return fetch(url, bounds, {"Accept": "text/plain"})


def ask_policies(
    domains: Sequence[str], cancelled: Callable[[], bool], get: Callable[[str], HttpAnswer] = get_policy
) -> list[PolicyAnswer]:
    """Look at the policy of each domain, one after the other, as far as there is time."""
    until = time.monotonic() + ALL_SECONDS
    return [_ask(domain, get) for domain in domains if not cancelled() and time.monotonic() < until]


def _ask(domain: str, get: Callable[[str], HttpAnswer]) -> PolicyAnswer:
    try:
        answer = get(policy_url(domain))
        if answer.status != 200:
            return PolicyAnswer(domain, problem=f"the server answers with HTTP status {answer.status}")
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/plain":  # RFC 8461 section 3.2
            return PolicyAnswer(
                domain, problem=f"its media type is {kind or 'missing'}, not text/plain"[:LONGEST_REASON]
            )
        return PolicyAnswer(domain, *parse_policy(answer.body.decode()))
    except UnicodeDecodeError:
        return PolicyAnswer(domain, problem="it is no plain text")
    except (OSError, HTTPException) as error:
        return PolicyAnswer(domain, problem=why_failed(error) or "no answer")
    except ValueError as error:
        return PolicyAnswer(domain, problem=str(error))


def settle_policies(store: Store, answers: Sequence[PolicyAnswer], now: datetime) -> None:
    """Store what policies say. One that can't be had says nothing: what was known before holds. Call under the lock."""
    if not answers:
        return
    with store.write():
        known = known_policies(store)
        _keep(store, known | {each.domain: _look(each, known.get(each.domain), now) for each in answers})


def _look(answer: PolicyAnswer, before: PolicyLook | None, now: datetime) -> PolicyLook:
    if answer.problem:
        known = before or PolicyLook(answer.domain)
        return replace(known, asked_at=now, next_at=now + AFTER_FAILURE, problem=answer.problem)
    return PolicyLook(answer.domain, answer.mode, answer.hosts, now, now + LATER)
