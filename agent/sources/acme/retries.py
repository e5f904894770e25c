"""Asking again at once when it may only have been a moment's trouble."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TypeVar

from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.pace import SHORT_WAIT

T = TypeVar("T")

PAUSES = (0.5, 2.0, 5.0)
"""Seconds before the second, third and fourth time."""
JITTER = 0.2
"""Share of a pause that is random, so that a thousand appliances don't come back at the same instant."""


def asking(
    ask: Callable[[], T],
    *,
    wait: Callable[[float], None],
    resend: int = len(PAUSES),
    chance: Callable[[], float] = random.random,
) -> T:
    """Return what `ask` returns, asked again while the trouble looks like a moment's.

    `resend` is how often it may be sent again when it is not known whether the CA got it. Raises `CaProblem` and
    `CaUnreachable`.
    """
    for pause in _pauses(chance):
        try:
            return ask()
        except (CaProblem, CaUnreachable) as failure:
            if not _may_pass(failure):
                raise
            if isinstance(failure, CaUnreachable) and failure.status is None and failure.sent:
                if not resend:
                    raise
                resend -= 1
            wait(max(pause, failure.retry_after or 0.0))
    return ask()


def _pauses(chance: Callable[[], float]) -> Iterator[float]:
    for pause in PAUSES:
        yield pause * (1 + JITTER * (2 * chance() - 1))


def _may_pass(failure: CaProblem | CaUnreachable) -> bool:
    """Whether it's worth to ask again within seconds: also a CA that asks to wait gets its way so."""
    if failure.retry_after is not None and failure.retry_after > SHORT_WAIT:
        return False
    if isinstance(failure, CaUnreachable):
        return failure.trouble is Trouble.NETWORK or failure.trouble is Trouble.BUSY or (failure.status or 0) >= 500
    problem = failure.problem
    limited = problem.status == 429 and failure.retry_after is not None
    return problem.status >= 500 or problem.type == "badNonce" or limited
