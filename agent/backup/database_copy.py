"""Copy of the database for a backup, and the rows that a restore takes from the database that it replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.store.connection import Connection
from agent.system.writing import write_new

if TYPE_CHECKING:
    from pathlib import Path

    from agent.store import Store

DEPLOYED = ("challenge_windows", "generations", "contents", "deployments", "footprints", "transactions")
"""What was put into the services, or the firewall, of one machine. A restore keeps these rows of the machine where it is made."""
MOMENTARY = (
    "conditions",
    "devices",
    "endpoints",
    "jobs",
    "login_failures",
    "observations",
    "persistent",
    "refusals",
    "resolved_names",
    "sessions",
    "tlsa",
)
"""What is under way, was seen, or was held against somebody, on one machine."""
CARRIED = (
    *(
        "account_keys",
        "audit_ends",
        "audit_repeats",
        "audits",
        "bindings",
        "chains",
        "cross_certificates",
        "deliveries",
        "dns_records",
        "events",
        "failing_names",
        "kept_keys",
        "ledger",
    ),
    *(
        "memories",
        "meta",
        "modules",
        "needs",
        "orders",
        "overrides",
        "peers",
        "people",
        "pins",
        "reissues",
        "revocation_lists",
    ),
    *("revocations", "roots", "rows_set_aside", "tokens", "watches"),
)
"""Every other table. A new one belongs in one of the three: `tests/backup` asks."""
META_CARRIED = ("key_check",)
META_DEPLOYED = ("entry of %", "last generation of %")
"""Keys of `meta`, as patterns: the numbers of what was deployed."""
LIST_NUMBERS = 1_000_000
"""By which a restored root's next list of revoked certificates is ahead: the machine of the backup may go on making some,
and clients want numbers that grow (RFC 5280 section 5.2.3)."""


def copy_database(store: Store, target: Path) -> None:
    """Write a consistent copy without what must not be carried, which is overwritten. Raises OSError, `sqlite3.Error`."""
    write_new(target, b"", mode=0o600)
    copy = Connection.open(target)
    try:
        store.database.backup(copy)
        for setting in ("journal_mode = memory", "secure_delete = on", "synchronous = full"):
            copy.execute(f"pragma {setting}")
        _strip(copy)
    finally:
        copy.close()


def _strip(copy: Connection) -> None:
    copy.execute("begin")
    for table in (*DEPLOYED, *MOMENTARY):
        copy.execute(f"delete from {table}")  # noqa: S608
    places = ", ".join("?" for _ in META_CARRIED)
    copy.execute(f"delete from meta where key not in ({places})", META_CARRIED)  # noqa: S608
    copy.execute("update orders set lease_process = null, lease_at = null, lease_beat = null")
    copy.commit()


def keep_deployed(store: Store, replaced: Path) -> None:
    """Take over what the database at `replaced` knows of what is deployed here. Call inside `Store.write`.

    Raises `sqlite3.Error` where it can't be read.
    """
    old = Connection.open(replaced, read_only=True)
    try:
        for table in DEPLOYED:
            _take_rows(store.database, old, table, "")
        for pattern in META_DEPLOYED:
            _take_rows(store.database, old, "meta", pattern)
    finally:
        old.close()


def _take_rows(into: Connection, old: Connection, table: str, pattern: str) -> None:
    columns = _columns(into, table) & _columns(old, table)
    names = ", ".join(sorted(columns))
    places = ", ".join("?" for _ in columns)
    chosen = ("where key like ?", [pattern]) if pattern else ("", [])
    rows = old.execute(f"select {names} from {table} {chosen[0]}", chosen[1])  # noqa: S608
    into.executemany(f"insert or replace into {table} ({names}) values ({places})", rows)  # noqa: S608


def _columns(database: Connection, table: str) -> set[str]:
    return {row[1] for row in database.execute(f"pragma table_info({table})")}


def advance_lists(store: Store) -> None:
    """Have the next list of each root be ahead of what another machine makes meanwhile. Call inside `Store.write`."""
    store.database.execute("update revocation_lists set number = number + ?", [LIST_NUMBERS])


def migrations_of(store: Store) -> tuple[str, ...]:
    """Return the names of the steps that have made a database."""
    rows = store.database.execute("select name from _sqlite_migrations order by name")
    return tuple(row[0] for row in rows)
