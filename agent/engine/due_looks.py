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
from agent.engine.freshness import EVIDENCE, KEY, LONGEST, InputsFingerprint, UpToDate, read_up_to_date
from agent.system.paths import DATABASE, database_uri, is_regular

LOOKS = "looks"
"""What is kept in the database, in seconds: when something else is due, how far apart looks are, and when a pass looks."""
A_PASS = 8
"""So many looks apart a pass looks at everything."""
BUSY_SECONDS = 1.0


def written_looks(other: float | None, interval: float, now: float) -> str:
    """Return what is kept: when anything but a look is due (None: nothing), and the seconds between two looks."""
    return f"{other!r} {interval!r} {now + A_PASS * interval!r}"


def looked(root: str, now: float) -> float | None:
    """Look, postpone what is due, and return until when; None: a pass has to be made. Times in seconds since the epoch."""
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
        return _looked(connection, root, now)
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


def _looked(connection: sqlite3.Connection, root: str, now: float) -> float | None:
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
    after = fingerprint.record(UpToDate(fresh.since, until, fresh.attention))
    return until if _postpone(connection, kept[KEY], after, now + interval, until) else None


def _kept(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("select key, value from meta where key in (?, ?, ?)", [KEY, EVIDENCE, LOOKS])
    return dict(rows.fetchall())


def _all_served(connection: sqlite3.Connection) -> bool:
    """Whether there is something to look at, and all of it served what it should."""
    at_all, well = connection.execute("select count(*), sum(ok) from endpoints").fetchone()
    return bool(at_all) and at_all == well


def _postpone(connection: sqlite3.Connection, before: str, after: str, look_at: float, until: float) -> bool:
    """Note when the next look is due, unless a pass has begun meanwhile: with its first change the trust in the state goes."""
    connection.execute("begin immediate")
    found = connection.execute("select value from meta where key = ?", [KEY]).fetchone()
    if found is None or found[0] != before:
        connection.execute("rollback")
        return False
    connection.execute("update endpoints set next_at = ?", [_written(look_at)])
    connection.execute("insert or replace into meta (key, value) values (?, ?)", [KEY, after])
    connection.execute("insert or replace into meta (key, value) values ('next at', ?)", [_written(until)])
    connection.execute("commit")
    return True


def _written(seconds: float) -> str:
    """Return an instant as the database keeps it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
