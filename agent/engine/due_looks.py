"""Looks that are due when nothing else is: what can be seen without settings and plugins is looked at in a moment.

The kernel's list tells whether the same processes listen as before, and a handshake at each address what they present. As long
as nothing has changed since the last pass, the next look is postponed; after some of them a pass looks at each name, at what is
above TLS, and at what only a plugin can see. Cheap to import, as `agent.engine.freshness`: that is a hundred times a day.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime

from agent.engine import evidence
from agent.engine.due_names import BESIDE_NAMES, due_names, looked_up, next_names_at, postpone
from agent.engine.freshness import EVIDENCE, KEY, LONGEST, InputsFingerprint, UpToDate, read_up_to_date
from agent.system.paths import DATABASE, database_uri, is_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.system.resolving import Resolve

LOOKS = "looks"
"""What is kept in the database, in seconds: when something else is due, how far apart looks are, and when a pass looks."""
A_PASS = 8
"""So many looks apart a pass looks at everything."""
BUSY_SECONDS = 1.0


def written_looks(other: float | None, interval: float, now: float) -> str:
    """Return what is kept: when anything but a look is due (None: nothing), and the seconds between two looks."""
    return f"{other!r} {interval!r} {now + A_PASS * interval!r}"


class Looked:
    """Outcome of a look that needs no pass."""

    def __init__(self, until: float, *, served: bool = True) -> None:
        self.until = until
        """When something is due, in seconds since the epoch."""
        self.served = served
        """Whether it was looked at what serves; else names were looked up alone."""


def looked(root: str, now: float, resolve: Resolve | None = None, *, names_alone: bool = False) -> Looked | None:
    """Look, and postpone what is due; None: a pass has to be made.

    `now`: in seconds since the epoch. `resolve`: looks a host name up; None: as this machine does. `names_alone`: look at
    nothing else.
    """
    path = os.path.join(root, DATABASE)  # noqa: PTH118 - as in `freshness`
    if not is_regular(path):
        return None
    try:
        connection = sqlite3.connect(
            database_uri(path, read_only=False),
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
        )
    except sqlite3.Error:
        return None
    try:
        found = _names_alone(connection, now, resolve)
        return found if found or names_alone else _looked(connection, root, now, resolve)
    except (
        sqlite3.Error,
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        OverflowError,
    ):  # what is damaged, a pass tells of
        return None
    finally:
        connection.close()


def _names_alone(connection: sqlite3.Connection, now: float, resolve: Resolve | None) -> Looked | None:
    """Look up the names that are due, where nothing else is; None: there is more to do."""
    kept = _kept(connection)
    if not kept.get(BESIDE_NAMES) or now >= float(kept[BESIDE_NAMES]):
        return None
    due = due_names(connection, now)
    names = looked_up(due, now, resolve) if due else None
    if names is None:
        return None
    connection.execute("begin immediate")
    postpone(connection, due, names)
    until = _until(connection, float(kept[BESIDE_NAMES]))
    connection.execute("commit")
    return Looked(until, served=False)


def _until(connection: sqlite3.Connection, beside: float) -> float:
    """Note when something is due: anything beside names, or a name. Return it."""
    until = min(beside, next_names_at(connection) or beside)
    connection.execute("insert or replace into meta (key, value) values ('next at', ?)", [_written(until)])
    return until


def _looked(connection: sqlite3.Connection, root: str, now: float, resolve: Resolve | None) -> Looked | None:
    kept = _kept(connection)
    fresh, more = read_up_to_date(kept[KEY])
    other, interval, pass_at = (None if each == "None" else float(each) for each in kept[LOOKS].split())
    if interval is None or pass_at is None:
        return None
    until = min(each for each in (other, pass_at, now + interval, fresh.since + LONGEST) if each is not None)
    if not fresh.since <= now < until or not _all_served(connection):
        return None
    fingerprint = InputsFingerprint(root)
    fingerprint.add(more)
    if fingerprint.record(fresh) != kept[KEY] or not evidence.still_holds(
        root, kept[EVIDENCE], now, look=True, all_of_it=False
    ):
        return None
    due = due_names(connection, now)
    names = looked_up(due, now, resolve)
    if names is None:
        return None
    after = fingerprint.record(UpToDate(fresh.since, until, fresh.attention))
    if not _begin(connection, kept[KEY]):
        return None
    postpone(connection, due, names)
    next_at = _postpone(connection, after, now + interval, until)
    connection.execute("commit")
    return Looked(next_at)


def _kept(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute(
        "select key, value from meta where key in (?, ?, ?, ?)", [KEY, EVIDENCE, LOOKS, BESIDE_NAMES]
    )
    return dict(rows.fetchall())


def _all_served(connection: sqlite3.Connection) -> bool:
    """Whether there is something to look at, and all of it served what it should."""
    at_all, well = connection.execute("select count(*), sum(ok) from endpoints").fetchone()
    return bool(at_all) and at_all == well


def _begin(connection: sqlite3.Connection, before: str) -> bool:
    """Begin a transaction, unless a pass has begun meanwhile: with its first change the trust in the state goes."""
    connection.execute("begin immediate")
    found = connection.execute("select value from meta where key = ?", [KEY]).fetchone()
    if found is None or found[0] != before:
        connection.execute("rollback")
        return False
    return True


def _postpone(connection: sqlite3.Connection, after: str, look_at: float, until: float) -> float:
    """Note when the next look is due. Return when anything is."""
    connection.execute("update endpoints set next_at = ?", [_written(look_at)])
    connection.execute("insert or replace into meta (key, value) values (?, ?)", [KEY, after])
    connection.execute("insert or replace into meta (key, value) values (?, ?)", [BESIDE_NAMES, repr(until)])
    return _until(connection, until)


def _written(seconds: float) -> str:
    """Return an instant as the database keeps it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
