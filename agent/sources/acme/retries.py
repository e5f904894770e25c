"""Sending a request again at once when it may only have been a moment's trouble."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import TracebackType

from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.pace import SHORT_WAIT

PAUSES = (0.5, 2.0, 5.0)
"""Seconds before the second, third and fourth time."""
SLOW_RESENDS = 1
"""How often a request is sent again whose answer was waited for in full: a CA that hangs is told within minutes."""
JITTER = 0.2
"""Share of a pause that is random, so that a thousand appliances don't come back at the same instant."""
NONCE_TRIES = 8
"""In a row, each with the nonce of the last refusal: with 30 % of all nonces rejected, one request of 15000 has to pause."""


class RetryPolicy:
    """One request's tries: a context manager around each, to be entered until one succeeds.

    It leaves out the error of a try that may be repeated, after a pause, and lets the last one's through. `resend` is how
    often a request may be sent again when it is not known whether the CA got it.
    """

    def __init__(
        self,
        wait: Callable[[float], None],
        *,
        resend: int = len(PAUSES),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._wait = wait
        self._resend = resend
        self._chance = chance
        self._pauses = iter(PAUSES)
        self._rejected_nonces = 0

    def __enter__(self) -> None:
        """Begin a try."""

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        """Wait, and return whether there is to be another try."""
        if not isinstance(error, CaProblem | CaUnreachable) or not _may_pass(error):
            return False
        if isinstance(error, CaProblem) and error.problem.type == "badNonce":
            self._rejected_nonces += 1
            if self._rejected_nonces % NONCE_TRIES:
                return True
        if isinstance(error, CaUnreachable) and error.status is None and error.sent:
            self._resend = (min(self._resend, SLOW_RESENDS) if error.slow else self._resend) - 1
        pause = next(self._pauses, None)
        if pause is None or self._resend < 0:
            return False
        self._wait(max(pause * (1 + JITTER * (2 * self._chance() - 1)), error.retry_after or 0.0))
        return True


def _may_pass(failure: CaProblem | CaUnreachable) -> bool:
    """Whether it's worth to ask again within seconds: also a CA that asks to wait gets its way so."""
    if failure.retry_after is not None and failure.retry_after > SHORT_WAIT:
        return False
    if isinstance(failure, CaUnreachable):
        return failure.trouble is Trouble.NETWORK or failure.trouble is Trouble.BUSY or (failure.status or 0) >= 500
    problem = failure.problem
    limited = problem.status == 429 and failure.retry_after is not None
    return problem.status >= 500 or problem.type == "badNonce" or limited
