"""Verification of the audit record's chain: whether it is whole, or which row was changed, removed or put in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent.auth.audit_chain import Ends, Series
from agent.auth.audit_log import AuditLog
from agent.store import Store

MOST_FAULTS = 100


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found."""

    rows: int
    faults: tuple[str, ...]
    """Sentences without a full stop; at most `MOST_FAULTS`."""
    ends: Mapping[str, str]
    """By series, number and link of the last row, as the journal has them."""
    whole: bool
    """Whether nothing was changed, removed or put in."""


def verify(record: AuditLog) -> Verification:
    """Look at every row. Call in one consistent state of the store. Raises `StoreError`."""
    if rows := record.unchained():
        fault = f"its {rows} rows are of an earlier version, and the next pass is to chain them"
        return Verification(rows, (fault,), {}, whole=False)
    walks = [_Walk(record, series) for series in Series]
    faults = [fault for walk in walks for fault in walk.faults()]
    faults += _strays(record)
    ends = {
        str(walk.series): f"{walk.ends.number}, {walk.ends.link}" for walk in walks if walk.ends and walk.ends.number
    }
    return Verification(sum(walk.rows for walk in walks), tuple(faults[:MOST_FAULTS]), ends, whole=not faults)


def verify_store(store: Store) -> Verification:
    """Look at every row of a store, in one consistent state. Raises `StoreError`."""
    if store.in_transaction:
        return verify(AuditLog(store))
    store.database.execute("begin")
    try:
        return verify(AuditLog(store))
    finally:
        store.database.rollback()


def ends_are_good(record: AuditLog) -> bool:
    """Whether each series ends with the row that its ends name: what a pass looks at each time, without reading all."""
    for series in Series:
        ends, last = record.ends(series), record.last(series)
        if ends is None and last is not None and last["link"] is not None:
            return False
        if ends is not None and ends.number >= ends.first and (last is None or last["link"] != ends.link):
            return False
    return True


class _Walk:
    """One series, row by row."""

    def __init__(self, record: AuditLog, series: Series) -> None:
        self._record = record
        self.series = series
        self.ends = record.ends(series)
        self.rows = 0

    def faults(self) -> Iterator[str]:
        ends = self.ends or Ends(self.series)
        expected, before = ends.first, ends.before
        known = True
        for row in self._record.rows(self.series):
            self.rows += 1
            number = row["number"]
            if not isinstance(number, int) or not expected <= number <= ends.number:
                if self.ends is not None:
                    yield f"{_name(row)} was put in"
                continue
            if number > expected:
                yield _removed(self.series, expected, number - 1)
                known = False
            if known and row["link"] != self._record.key.link(before, row):
                yield f"{_name(row)} was changed"
            expected, before, known = number + 1, row["link"] or "", True
        if self.ends is None:
            if self.rows:
                yield f'the signed ends of the series "{self.series}" were removed or changed'
        elif expected <= ends.number:
            yield _removed(self.series, expected, ends.number)


def _strays(record: AuditLog) -> Iterator[str]:
    for row in record.strays():
        yield f"{_name(row)} was put in"


def _name(row: Mapping[str, Any]) -> str:
    return f'row {row["number"]} of "{row["series"]}" ({row["at"]}, {row["who"]}: {row["action"]} {row["subject"]})'


def _removed(series: Series, first: int, last: int) -> str:
    which = f"row {first}" if first == last else f"rows {first} to {last}"
    return f'{which} of "{series}" {"was" if first == last else "were"} removed'
