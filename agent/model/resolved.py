"""Host names that modules need addresses of, and what they have been resolved to. Pure.

Cheap to import, as names are looked up once a minute: importing `dataclasses` takes a fifth of the time of such a look.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from agent.model.pause import TOLERANCE
from agent.system.resolving import MOST_ADDRESSES, Answer

REMEMBERED = timedelta(minutes=10)
"""Time for which an address that is no longer in an answer is remembered, at least."""
REMEMBERED_LOOKS = 10
"""The same, in times between two questions."""
CHANGES = 4
"""So many times within that time an answer has to bring what the one before had not, to be taken for a part of a whole."""
RETURN = 2
"""So many times counts an address that comes back."""


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
    changes: tuple[datetime, ...] = ()
    """When an answer had an address that the one before had not, the last times; twice where it had been there lately."""
    kept: tuple[str, ...] = ()
    """Addresses that are used whatever the next answers say, as they come and go; none: those of the last answer."""
    kept_since: datetime | None = None
    words: str = ""
    """Why the last question had no answer."""
    failing_since: datetime | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses to use, sorted: those of the last answer, whether or not the name resolves now.

        Where addresses come and go, as a resolver hands out parts of many in turn, those that were seen lately: for a while,
        as each change of them is a reload.
        """
        return self.kept or tuple(sorted(self._last))

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
        new = set(answer.addresses) - self._last if self.seen else set()
        weight = 0 if not new else 1 if new.isdisjoint(recent) else RETURN
        changes = (*(at for at in self.changes if at >= lately), *[now] * weight)[-CHANGES:]
        seen = recent | dict.fromkeys(answer.addresses, now)
        found = ResolvedName(self.module, self.name, now, seconds, seen, now, changes)
        return found if len(changes) < CHANGES else found._with_kept(self)

    def _with_kept(self, before: ResolvedName) -> ResolvedName:
        """Return this with the addresses that are kept: those of before, unless they are old, or the name has moved."""
        has_moved = self._last == before._last and self._last.isdisjoint(before.kept)
        if (
            before.kept_since is not None
            and not has_moved
            and timedelta() <= self.asked_at - before.kept_since < self._remembered
        ):
            return self._replace(kept=before.kept, kept_since=before.kept_since)
        latest = sorted(self.seen, key=lambda address: (self.seen[address], address), reverse=True)
        return self._replace(kept=tuple(sorted(latest[:MOST_ADDRESSES])), kept_since=self.asked_at)

    def is_as(self, other: ResolvedName) -> bool:
        """Whether nobody has to know of the difference."""
        return (self.addresses, bool(self.words)) == (other.addresses, bool(other.words))

    @property
    def _last(self) -> set[str]:
        """The addresses of the last answer that had any."""
        return {address for address, at in self.seen.items() if at == self.answered_at}

    @property
    def _remembered(self) -> timedelta:
        return max(REMEMBERED, REMEMBERED_LOOKS * timedelta(seconds=self.seconds))


def asked_first(known: Iterable[ResolvedName]) -> list[str]:
    """Return the names, those that have failed for long last: no one that resolves has to wait until they time out."""
    failing = sorted(
        known, key=lambda each: each.failing_since.timestamp() if each.failing_since else math.inf, reverse=True
    )
    return list(dict.fromkeys(each.name for each in failing))


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
        "changes": json.dumps([_written(at) for at in each.changes]),
        "kept": json.dumps(each.kept),
        "kept_since": _written(each.kept_since),
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
        changes=tuple(_read(at) for at in json.loads(row["changes"])),
        kept=tuple(json.loads(row["kept"])),
        kept_since=_read(row["kept_since"]) if row["kept_since"] else None,
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
