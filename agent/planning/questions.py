"""Questions about TLSA records and MTA-STS policies: which are due, and when the others are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent.model.need import Need
from agent.model.pause import Pause
from agent.planning.actions import AskDns, AskPolicies
from agent.planning.state import State


class _Look(Protocol):
    """What is known of a subject, and when it is asked about again."""

    @property
    def pause(self) -> Pause: ...


@dataclass(frozen=True)
class Questions:
    """What is to be asked now, and when the rest is."""

    due: tuple[AskDns | AskPolicies, ...]
    instants: tuple[datetime, ...]


def dns_questions(needs: Iterable[Need], state: State, now: datetime) -> Questions:
    """Return the question about names of TLSA records. There is none while the clock is in doubt."""
    asks = state.asks_dns and state.doubt is None
    return _questions(AskDns, (each for need in needs for each in need.tlsa if asks), state.tlsa, now)


def policy_questions(needs: Iterable[Need], state: State, now: datetime) -> Questions:
    """Return the question about domains with MTA-STS policies. There is none while the clock is in doubt."""
    asks = state.doubt is None
    return _questions(AskPolicies, (each for need in needs for each in need.mta_sts if asks), state.policies, now)


def _questions(
    ask: Callable[[tuple[str, ...]], AskDns | AskPolicies],
    subjects: Iterable[str],
    known: Mapping[str, _Look],
    now: datetime,
) -> Questions:
    """Return the question about those whose pause is over, or that were never asked about."""
    wanted = sorted(set(subjects))
    held = {each: known[each].pause.until for each in wanted if each in known and known[each].pause.holds(now)}
    due = tuple(each for each in wanted if each not in held)
    return Questions((ask(due),) if due else (), tuple(at for at in held.values() if at))
