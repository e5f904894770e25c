"""Host names that are due to be looked up when nothing else is: asked for without settings and plugins.

As long as each has the addresses that the last pass knew, or still none, no pass is needed. Cheap to import, as
`agent.engine.freshness`: what a lookup needs is imported when one is due.
"""

from __future__ import annotations

import sqlite3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agent.model.resolved import ResolvedName
    from agent.system.resolving import Resolve

BESIDE_NAMES = "beside names at"
"""What is kept in the database: when anything but a lookup is due; empty: a pass has left something to do."""
SECONDS = 3.0
"""For all lookups. What needs longer is left to a pass, which knows what the settings say."""
ASKED = "coalesce(cast(strftime('%s', asked_at) as integer), 0)"
DUE = f"select * from resolved_names where {ASKED} + seconds <= ? or {ASKED} > ? + 60"  # noqa: S608
NEXT = f"select min({ASKED} + seconds) from resolved_names"  # noqa: S608
POSTPONE = (
    "update resolved_names set asked_at = :asked_at, seconds = :seconds, seen = :seen, answered_at = :answered_at,"
    " changes = :changes, kept = :kept, kept_since = :kept_since, words = :words, failing_since = :failing_since"
    " where module = :module and name = :name and asked_at = :before"
)


def due_names(connection: sqlite3.Connection, now: float, *, failing: bool = False) -> list[dict[str, Any]]:
    """Return the rows of the names that are due at `now`, in seconds since the epoch. Raises `sqlite3.Error`.

    `failing`: those that didn't resolve, too.
    """
    cursor = connection.execute(f"{DUE} or words is not null" if failing else DUE, [now, now])
    columns = [each[0] for each in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor]


def next_names_at(connection: sqlite3.Connection) -> float | None:
    """Return when the next lookup is due; None: there are no names."""
    found = connection.execute(NEXT).fetchone()[0]
    return None if found is None else float(found)


def looked_up(rows: Sequence[dict[str, Any]], now: float, resolve: Resolve | None = None) -> list[ResolvedName] | None:
    """Look the names of these rows up. Return what is known of each then; None: something has changed.

    Raises ValueError, TypeError, KeyError or AttributeError where a row is damaged.
    """
    if not rows:
        return []
    from datetime import UTC, datetime

    from agent.model.resolved import asked_first, name_of_row
    from agent.system.resolving import addresses_of, resolve_all

    known, at = [name_of_row(row) for row in rows], datetime.fromtimestamp(now, UTC)
    answers = resolve_all(asked_first(known), resolve or addresses_of, SECONDS)
    found = [each.answered(answers[each.name], at, each.seconds) for each in known]
    return found if all(map(_is_as, known, found)) else None


def postpone(connection: sqlite3.Connection, rows: Sequence[dict[str, Any]], found: Sequence[ResolvedName]) -> None:
    """Keep what was found, but for names that somebody else has looked up meanwhile. Call inside a transaction."""
    if rows:
        from agent.model.resolved import row_of_name

        kept = [row_of_name(each) | {"before": row["asked_at"]} for row, each in zip(rows, found, strict=True)]
        connection.executemany(POSTPONE, kept)


def _is_as(one: ResolvedName, other: ResolvedName) -> bool:
    return one.is_as(other)
