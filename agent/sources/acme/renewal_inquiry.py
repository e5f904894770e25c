"""Asking a CA when a chain is to be renewed (RFC 9773), and when to ask again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from agent.errors.renewal import RenewalInfoUnknown
from agent.errors.wording import said
from agent.model.records import Watch
from agent.sources.acme.client import certificate_id
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.messages import RenewalInfo

if TYPE_CHECKING:
    import random

    from agent.pki.chain import Chain

SOONEST, LATEST = timedelta(minutes=1), timedelta(days=1)
"""Bounds of what a CA can ask for with ``Retry-After`` (RFC 9773 section 4.3.2)."""
USUAL = timedelta(hours=6)
"""Between two inquiries where the CA says nothing, or what makes no sense (RFC 9773 section 4.3.3)."""
DELAY = 0.05
"""Part of a pause by which each appliance is later."""
FIRST, FACTOR = timedelta(minutes=1), 4
"""The pause after a failure that may pass by itself, and by what it grows with each further one in a row."""
OLDEST = timedelta(days=3650)
"""No CA means a window that lies further back."""
PAGE = re.compile(r"https?://[!-~]{1,480}")
BUSY = 429


def inquire(
    ask: Callable[[str], RenewalInfo | None], chain: Chain, watch: Watch | None, now: datetime, chance: random.Random
) -> Watch:
    """Ask the CA when `chain` is to be renewed; `watch` is what it said before.

    `ask` returns what it suggests for a certificate's id; None: it never does.

    The instant is chosen once, evenly within the window, and kept until the window changes (RFC 9773 section 4.2); one that
    is over means now. Never asked after the chain's end. Raises `RenewalInfoUnknown`; what was known stays right.
    """
    known = replace(watch or Watch(chain=chain.id), next_at=None, problem=None, attempts=0)
    if now >= chain.not_after:
        return known
    try:
        found = ask(certificate_id(chain.leaf))
    except (CaProblem, CaUnreachable) as failure:
        raise _unknown(failure, watch, now, chance) from failure
    if found is None:
        return known
    if reason := _nonsense(found, chain, now):
        raise RenewalInfoUnknown(reason, now + _later(USUAL, chance))
    next_at = now + _pause(found.retry_after, chance)
    return replace(
        known,
        next_at=next_at if next_at < chain.not_after else None,
        renew_at=_chosen(found, known, now, chance),
        window=(found.start, found.end),
        explanation=found.explanation if PAGE.fullmatch(found.explanation) else "",
    )


def _chosen(found: RenewalInfo, known: Watch, now: datetime, chance: random.Random) -> datetime:
    # One after the window was chosen under a clock that was ahead.
    if known.renew_at and known.window == (found.start, found.end) and known.renew_at <= max(found.end, now):
        return known.renew_at
    return max(found.start + (found.end - found.start) * chance.random(), now)


def _nonsense(found: RenewalInfo, chain: Chain, now: datetime) -> str:
    if found.end <= found.start:
        return "the window that it suggests ends before it begins"
    if found.start >= chain.not_after:
        return "the window that it suggests begins after the chain's end"
    return "the window that it suggests is over for ten years" if found.end < now - OLDEST else ""


def _unknown(
    failure: CaProblem | CaUnreachable, watch: Watch | None, now: datetime, chance: random.Random
) -> RenewalInfoUnknown:
    pause = USUAL
    if _may_pass(failure):
        pause = min(FIRST * FACTOR ** min(watch.attempts if watch else 0, 5), USUAL)
        pause = max(pause, _bounded(failure.retry_after or 0))
    return RenewalInfoUnknown(_said(failure), now + _later(pause, chance), str(failure))


def _may_pass(failure: CaProblem | CaUnreachable) -> bool:
    """Whether it's a failure that the next try may see gone (RFC 9773 section 4.3.3)."""
    status = failure.problem.status if isinstance(failure, CaProblem) else failure.status
    return status is None or status >= 500 or status == BUSY


def _said(failure: CaProblem | CaUnreachable) -> str:
    return said(failure.problem.detail or failure.problem.type if isinstance(failure, CaProblem) else failure.cause)


def _pause(retry_after: float | None, chance: random.Random) -> timedelta:
    asked_for = USUAL if retry_after is None else _bounded(retry_after)
    return min(_later(asked_for, chance), LATEST)


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, SOONEST.total_seconds()), LATEST.total_seconds()))


def _later(pause: timedelta, chance: random.Random) -> timedelta:
    return pause * (1 + DELAY * chance.random())
