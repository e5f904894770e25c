"""When the next pass is due, as a plan wants it."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.planning import AskDns, AskPolicies, AskTheTime, Inquire, LookAtRecords, Obtain, Plan

LATEST = timedelta(hours=12)
"""A pass is made after so long even if nothing seems to be due."""
SOONEST = timedelta(seconds=1)
"""Between two passes that nobody asked for."""
LEFT_OVER = timedelta(minutes=1)
"""After a pass that left something to do that needs no network."""


def instant(made: Plan, now: datetime, *, names: bool = True) -> datetime:
    """Return when the pass after the one that has left `made` is due. `names` False: for more than to look up host names."""
    planned = made.next_at if names else made.beside_names_at
    instants = [now + LATEST, *([planned] if planned else [])]
    if not all(
        isinstance(action, Obtain | Inquire | AskTheTime | AskDns | AskPolicies | LookAtRecords)
        for action in made.actions
    ):
        instants.append(now + LEFT_OVER)
    return max(min(instants), now + SOONEST)
