"""Host names that modules need addresses of, and what they have been resolved to. Pure.

Cheap to import, as names are looked up once a minute: importing `dataclasses` takes a fifth of the time of such a look.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from agent.model.pause import TOLERANCE
from agent.system.resolving import Answer

REMEMBERED = timedelta(minutes=10)
"""Time for which an address that is no longer in an answer is remembered, at least."""
REMEMBERED_LOOKS = 10
"""The same, in times between two questions."""
RETURNS = 2
"""So many times an address has to come back within that time, until answers are taken to be parts of a whole."""


class ResolvedName(NamedTuple):
    """A host name that one module needs addresses of, with what is known of it."""

    module: str
    name: str
    asked_at: datetime
    seconds: int
    """Until it is asked again."""
    seen: Mapping[str, datetime] = MappingProxyType({})
    """Address -> when it was in an answer last."""
    answered_at: datetime | None = None
    """When there was an answer with an address last; None: never."""
    returns: tuple[datetime, ...] = ()
    """When an address came back that had been missing in the answer before, the last times."""
    words: str = ""
    """Why the last question had no answer."""
    failing_since: datetime | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses to use, sorted: those of the last answer, whether or not the name resolves now.

        Where addresses come and go, as a resolver hands out parts of many in turn, all that were seen lately.
        """
        if self.answered_at is None:
            return ()
        earliest = self.answered_at - (self._remembered if len(self.returns) >= RETURNS else timedelta())
        return tuple(sorted(address for address, at in self.seen.items() if at >= earliest))

    @property
    def due_at(self) -> datetime:
        """When it is asked again."""
        return self.asked_at + timedelta(seconds=self.seconds)

    def is_due(self, now: datetime) -> bool:
        """Whether to ask again. A question in the future was noted under a wrong clock."""
        return not self.asked_at - TOLERANCE <= now < self.due_at

    def answered(self, answer: Answer, now: datetime, seconds: int) -> ResolvedName:
        """Return what is known after an answer; `seconds`: until the next question."""
        if not answer.addresses:
            since = self.failing_since or now
            return self._replace(asked_at=now, seconds=seconds, words=answer.words, failing_since=since)
        lately = now - self._remembered
        recent = {address: at for address, at in self.seen.items() if at >= lately}
        back = any(recent.get(each, self.answered_at) != self.answered_at for each in answer.addresses)
        returns = (*(at for at in self.returns if at >= lately), *([now] if back else []))[-RETURNS:]
        seen = recent | dict.fromkeys(answer.addresses, now)
        return ResolvedName(self.module, self.name, now, seconds, seen, now, returns)

    def is_as(self, other: ResolvedName) -> bool:
        """Whether nobody has to know of the difference."""
        return (self.addresses, bool(self.words)) == (other.addresses, bool(other.words))

    @property
    def _remembered(self) -> timedelta:
        return max(REMEMBERED, REMEMBERED_LOOKS * timedelta(seconds=self.seconds))


def by_module(known: Iterable[ResolvedName]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return module -> host name -> addresses, as far as there are any."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for each in known:
        if each.addresses:
            found.setdefault(each.module, {})[each.name] = each.addresses
    return found


def row_of_name(each: ResolvedName) -> dict[str, Any]:
    """Return the row of the table `resolved_names`."""
    return {
        "module": each.module,
        "name": each.name,
        "asked_at": _written(each.asked_at),
        "seconds": each.seconds,
        "seen": json.dumps({address: _written(at) for address, at in each.seen.items()}),
        "answered_at": _written(each.answered_at),
        "returns": json.dumps([_written(at) for at in each.returns]),
        "words": each.words or None,
        "failing_since": _written(each.failing_since),
    }


def name_of_row(row: Mapping[str, Any]) -> ResolvedName:
    """Read a row of the table. Raises ValueError, TypeError, KeyError, AttributeError."""
    return ResolvedName(
        module=row["module"],
        name=row["name"],
        asked_at=_read(row["asked_at"]),
        seconds=int(row["seconds"]),
        seen={address: _read(at) for address, at in json.loads(row["seen"]).items()},
        answered_at=_read(row["answered_at"]) if row["answered_at"] else None,
        returns=tuple(_read(at) for at in json.loads(row["returns"])),
        words=row["words"] or "",
        failing_since=_read(row["failing_since"]) if row["failing_since"] else None,
    )


def _written(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None


def _read(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment
