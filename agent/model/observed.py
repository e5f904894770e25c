"""States of services as their own `observe` commands tell them, and the pauses between two tries to mend one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from agent.model.finding import Severity, SubjectKind
from agent.model.pause import Pause
from agent.system.text import printable

PAUSES = (
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""After the first, second, ... try to mend a state that is still there."""
LONGEST_MEND = PAUSES[-1]
MOST_STATES = 2000
"""Of one service."""
LONGEST_TEXT = 2000
"""Characters of one value."""
DIFFERS = "differs"
"""State of `CONFIGURATION` where what runs is not what was deployed."""
CONFIGURATION = "configuration"
OBSERVATION = "observation"
"""Subject where the command itself has failed."""
KINDS = {"state", "finding", "differs"}


@dataclass(frozen=True, slots=True)
class ObservedState:
    """One state of a service, or one thing that somebody should know about it."""

    kind: SubjectKind
    """Module or service."""
    owner: str
    """Its name."""
    subject: str
    """What the state is of: ``tunnel north``."""
    state: str
    """A word; empty: a finding, whose cause is `why`."""
    why: str = ""
    severity: Severity | None = None
    """None: nobody has to know."""
    fix: str = ""
    mends: bool = False
    """Whether the agent tries to end it."""
    since: datetime | None = None
    attempts: int = 0
    """To mend it, since it began."""
    tried_at: datetime | None = None
    retry_at: datetime | None = None
    said: str = ""
    """What the last try said that failed, a clause."""

    @property
    def key(self) -> tuple[SubjectKind, str, str]:
        """Owner and subject: there is one state of each."""
        return self.kind, self.owner, self.subject

    @property
    def differs(self) -> bool:
        """Whether what runs is not what was deployed."""
        return self.subject == CONFIGURATION and self.state == DIFFERS

    @property
    def pause(self) -> Pause:
        """Pause before the next try to mend it."""
        return Pause(self.tried_at, self.retry_at, LONGEST_MEND)

    def is_the_same_as(self, other: ObservedState) -> bool:
        """Whether it goes on: the same word for the same thing, whatever the reason."""
        return (self.key, self.state) == (other.key, other.state)

    def tried(self, now: datetime, said: str) -> ObservedState:
        """Return it after a try to mend it. `said`: why that failed; empty: it did not."""
        pause = PAUSES[min(self.attempts, len(PAUSES) - 1)]
        return replace(self, attempts=self.attempts + 1, tried_at=now, retry_at=now + pause, said=said)


def going_on(found: Iterable[ObservedState], before: Iterable[ObservedState], now: datetime) -> list[ObservedState]:
    """Return what was found now, each since when it is so, with the tries to mend it."""
    known = {each.key: each for each in before}
    return [_going_on(each, known.get(each.key), now) for each in found]


def _going_on(found: ObservedState, last: ObservedState | None, now: datetime) -> ObservedState:
    if last is None or not found.is_the_same_as(last):
        return replace(found, since=now)
    tries = {"attempts": last.attempts, "tried_at": last.tried_at, "retry_at": last.retry_at, "said": last.said}
    return replace(found, since=last.since or now, **(tries if found.mends else {}))  # type: ignore[arg-type]


def read_states(kind: SubjectKind, owner: str, lines: Iterable[str]) -> list[ObservedState]:
    """Read the lines of an `observe` command: each subject once, the last counts. Raises ValueError, which says what is wrong."""
    found = {each.key: each for each in _states(kind, owner, lines)}
    if len(found) > MOST_STATES:
        raise ValueError(f"it prints more than {MOST_STATES} states")
    return list(found.values())


def _states(kind: SubjectKind, owner: str, lines: Iterable[str]) -> Iterator[ObservedState]:
    for number, line in enumerate(lines, 1):
        try:
            yield _state(kind, owner, json.loads(line))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number} can't be read: {error}") from None


def _state(kind: SubjectKind, owner: str, row: Any) -> ObservedState:
    if not isinstance(row, dict) or len(KINDS & row.keys()) != 1:
        raise ValueError('it is no object with one of "state", "finding" and "differs"')
    if "differs" in row:
        why, fix = _text(row, "differs"), _text(row, "fix")
        return ObservedState(kind, owner, CONFIGURATION, DIFFERS, why, Severity.WARNING, fix, mends=True)
    subject, why, fix = _given(row, "subject"), _text(row, "why"), _text(row, "fix")
    if "finding" in row:
        return ObservedState(kind, owner, subject, "", _given(row, "why"), Severity(row["finding"]), fix)
    severity = Severity(row["severity"]) if row.get("severity") else None
    return ObservedState(kind, owner, subject, _given(row, "state"), why, severity, fix, mends=row.get("mend") is True)


def _given(row: Mapping[str, Any], name: str) -> str:
    value = _text(row, name)
    if not value:
        raise ValueError(f'it has no "{name}"')
    return value


def _text(row: Mapping[str, Any], name: str) -> str:
    """Return a value in one line, fit for a terminal: it may quote what a stranger has sent. Raises ValueError."""
    value = row.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f'its "{name}" is no text')
    if len(value) > LONGEST_TEXT:
        raise ValueError(f'its "{name}" has more than {LONGEST_TEXT} characters')
    return printable(" ".join(value.split()), LONGEST_TEXT)
