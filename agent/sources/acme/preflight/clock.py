"""Whether this machine's clock is plausible: with a wrong one a chain looks expired, or not valid yet."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.errors.acme import AGAIN
from agent.sources.acme.preflight.findings import Finding

NOTICEABLE = timedelta(minutes=10)
INTOLERABLE = timedelta(hours=1)
"""CAs date certificates back by this much at most, so a new chain would not be valid yet on this machine."""
UNITS = ((timedelta(days=2), timedelta(days=1), "days"), (timedelta(hours=2), timedelta(hours=1), "hours"))


def judge(skew: timedelta | None, now: datetime) -> Finding | None:
    """Return what is wrong with the clock, which shows `now`; `skew` is the CA's Date minus ours, None: not known."""
    if skew is None or abs(skew) <= NOTICEABLE:
        return None
    side = "behind" if skew > timedelta(0) else "ahead of"
    cause = f"This machine's clock is {span(abs(skew))} {side} the CA's: it shows {now:%Y-%m-%d %H:%M} UTC."
    return Finding(
        "", "clock", cause, f"Set it, for example with timedatectl set-ntp true, {AGAIN}", abs(skew) > INTOLERABLE
    )


def span(length: timedelta) -> str:
    """Return ``20 minutes``, ``5 hours``, ``20780 days``."""
    for least, unit, word in UNITS:
        if length >= least:
            return f"{round(length / unit)} {word}"
    return f"{round(length / timedelta(minutes=1))} minutes"
