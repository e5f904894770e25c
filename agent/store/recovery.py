"""Recovery of a database that is lost or damaged: the newest good copy, then what the disk tells beside it.

What is put in place is complete before: a process that is killed meanwhile leaves the old files or the new one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from agent.errors.store import (
    CopyFailed,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseFull,
    DatabaseLost,
    DatabaseReadOnly,
    MasterKeyWrong,
    SealBroken,
    StateUnwritable,
    StoreError,
)
from agent.errors.wording import few
from agent.store.connection import Connection
from agent.store.copies import Copy, check, copies, open_copy
from agent.store.database import Store
from agent.store.failures import files_of, refusal
from agent.store.full_disk import is_for_lack_of_room, is_read_only
from agent.store.instants import written
from agent.store.integrity import first_fault, quick_check, read_all
from agent.store.key_check import sealer_of
from agent.store.published_lists import take_in_lists
from agent.store.salvage import without_unreadable
from agent.store.schema import INDISPENSABLE
from agent.store.sealing import master_key_path, read_master_key
from agent.store.served_chains import last_numbers, served_rows, unknown_modules
from agent.store.traces import traces
from agent.system.layout import Layout
from agent.system.obstacles import state_unwritable
from agent.system.writing import flush_directory, make_directory, write_new

MOST_ASIDE = 3
"""Damaged databases that are kept."""
OF_ANOTHER_TIME = (
    "delete from transactions",
    "delete from sessions",
    "delete from tokens",
    "delete from devices",
    "update orders set lease_process = null, lease_at = null, lease_beat = null",
    "update jobs set ended_at = coalesce(ended_at, started_at), exit_code = coalesce(exit_code, 1)",
    "delete from endpoints",
    "delete from meta where key in ('trusted', 'seen', 'looks', 'next at', 'beside names at', 'checked at')",
)
"""What a copy has that says nothing of today, or would let somebody in who was locked out since."""
Opener = Callable[[Layout], AbstractContextManager[Store]]


@dataclass
class Recovery:
    """What was wrong, and what was, or would be, done."""

    reason: str
    """Why the database can't be used; a clause."""
    copy: Copy | None = None
    """What was restored; None: there is none, and all is from the sealed files and the generations."""
    made_at: datetime | None = None
    """When the copy was made."""
    from_itself: bool = False
    """All rows could be read but those of `left_out`: only an index was damaged, say."""
    left_out: list[str] = field(default_factory=list)
    """Tables of which nothing was taken over."""
    refused: list[str] = field(default_factory=list)
    """Copies that were no good, each with the reason."""
    sealed_otherwise: int = 0
    """How many of them the master key doesn't open."""
    chains: list[str] = field(default_factory=list)
    """Ids of the chains that were taken in from what is in service."""
    roots: list[str] = field(default_factory=list)
    """Fingerprints of the roots that were taken in from their sealed files."""
    accounts: list[str] = field(default_factory=list)
    """The same of ACME account keys, thumbprints."""
    revocations: int = 0
    """Entries of published lists that were taken in."""
    aside: Path | None = None
    """Where the damaged files are now; None: nothing was changed."""


def has_state(layout: Layout) -> bool:
    """Whether there is anything of an earlier run."""
    return os.path.lexists(layout.database) or any(True for _ in traces(layout))


def diagnose(layout: Layout, opened: Opener = Store.open) -> StoreError | None:
    """Return what is wrong with the database; None: it is whole. Call under the lock. Raises other `StoreError`s."""
    try:
        with opened(layout) as store:
            found = quick_check(store)
    except DatabaseBusy:
        raise
    except (DatabaseLost, DatabaseDamaged) as error:
        return error
    return DatabaseDamaged(str(layout.database), first_fault(found)) if found else None


def recover(layout: Layout, found: StoreError, now: datetime) -> Recovery:
    """Put a whole database in place of a damaged one. Call under the lock.

    Raises what was `found` where nothing can: no copy is good, and what is in service is not known. Raises `StoreError` for the
    master key, and for a disk that has no room: it says nothing against a copy.
    """
    fresh = layout.private / ".chainwright.db.new"
    try:
        _remove(fresh)
        try:
            recovery = make_whole(layout, layout.database, fresh, found, now)
            recovery.aside = _put_in_place(layout, fresh)
        finally:
            _remove(fresh)
    except OSError as error:
        raise state_unwritable(Path(error.filename or layout.private), error) from error
    return recovery


def make_whole(layout: Layout, damaged: Path, fresh: Path, found: StoreError, now: datetime) -> Recovery:
    """Build a whole database in the file `fresh`, which isn't there yet; nothing else is written. Raises as `recover`."""
    read_master_key(layout.master_key)
    recovery = Recovery(found.problem.cause.rstrip("."))
    try:
        recovery.from_itself = _from_itself(layout, damaged, fresh, recovery, found)
        if not recovery.from_itself and not _from_copies(layout, fresh, recovery):
            _from_nothing(layout, fresh, recovery, found, now)
        _reconcile(layout, fresh, recovery, now)
    except sqlite3.Error as error:
        raise refusal(error, layout) from error
    return recovery


def _from_itself(layout: Layout, damaged: Path, fresh: Path, recovery: Recovery, found: StoreError) -> bool:
    """Build the database again from its own rows, where all can be read that no pass would write again."""
    if type(found) is not DatabaseDamaged:
        return False
    if not _built_of(layout, damaged, fresh):
        with without_unreadable(damaged) as salvaged:
            if salvaged is None or not _built_of(layout, salvaged[0], fresh):
                return False
            recovery.left_out = salvaged[1]
    return True


def _built_of(layout: Layout, damaged: Path, fresh: Path) -> bool:
    """Build a database of all rows of a damaged one."""
    write_new(fresh, b"", mode=0o600)
    try:
        database = Connection.open(damaged, read_only=True)
        try:
            database.execute("VACUUM INTO ?", [str(fresh)])
        finally:
            database.close()
        if not check(fresh) and _is_good(layout, fresh):
            return True
    except (sqlite3.Error, StoreError) as error:
        if _is_for_lack_of_room(error, fresh):
            raise
    _remove(fresh)
    return False


def _is_for_lack_of_room(error: Exception, fresh: Path) -> bool:
    """Whether the disk can't hold what is built, however good that is."""
    return isinstance(error, StateUnwritable | DatabaseFull | DatabaseReadOnly) or (
        isinstance(error, sqlite3.Error) and (is_for_lack_of_room(error, fresh) or is_read_only(fresh.parent))
    )


def _from_copies(layout: Layout, fresh: Path, recovery: Recovery) -> bool:
    """Restore the newest good copy."""
    for copy in copies(layout):
        try:
            made_at = open_copy(copy, sealer_of(layout), fresh)
            if _is_good(layout, fresh):
                recovery.copy, recovery.made_at = copy, made_at
                with _opened(layout, fresh) as store, store.write():
                    for statement in OF_ANOTHER_TIME:
                        store.database.execute(statement)
                return True
            recovery.refused.append(f"{copy.path}: rows of it can't be read")
        except (StoreError, sqlite3.Error) as error:
            if _is_for_lack_of_room(error, fresh):
                raise
            recovery.sealed_otherwise += isinstance(error.__cause__, SealBroken)
            reason = error.problem.cause if isinstance(error, CopyFailed) else str(error)
            recovery.refused.append(f"{copy.path}: {reason}")
        _remove(fresh)
    return False


def _from_nothing(layout: Layout, fresh: Path, recovery: Recovery, found: StoreError, found_at: datetime) -> None:
    """Begin with an empty database, where all that is in service is known beside it. Raises `found`, `MasterKeyWrong`."""
    roots = list(layout.private.glob("root-*.sealed"))
    closed = recovery.sealed_otherwise
    if roots and not unknown_modules(layout):
        write_new(fresh, b"", mode=0o600)
        with _opened(layout, fresh, first=True) as store, store.write():
            signed = {str(row.get("root")) for row in served_rows(layout)}
            taken = store.roots.take_in_files(signed, found_at)
            present = store.roots.present()
            store.database.execute("delete from roots")  # they are taken in again, and told
        if present is not None:
            return
        closed += len(roots) if not taken else 0
    if closed > 1 and recovery.sealed_otherwise == len(recovery.refused):  # one that can't be opened may be damaged
        raise MasterKeyWrong(str(master_key_path(layout.master_key)))
    raise found


def _is_good(layout: Layout, path: Path) -> bool:
    """Whether each row of a database can be decoded, after it was brought up to date, and its keys opened."""
    with _opened(layout, path) as store:
        read_all(store)
        return not [row for row in store.database.damaged.values() if row.table in INDISPENSABLE]


@contextmanager
def _opened(layout: Layout, path: Path, *, first: bool = False) -> Iterator[Store]:
    """Open a database that is not in place yet."""
    with Store.open_at(layout, path, first=first) as store:
        yield store
        store.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.database.execute("PRAGMA journal_mode=DELETE")


def _reconcile(layout: Layout, fresh: Path, recovery: Recovery, now: datetime) -> None:
    """Take in what is on disk and not in the database: nothing that is in service is made or ordered again."""
    rows = list(served_rows(layout))
    with _opened(layout, fresh) as store, store.write():
        signed = {str(row.get("root")) for row in rows}
        recovery.roots = [root.sha256 for root in store.roots.take_in_files(signed, now)]
        recovery.accounts = store.account_keys.take_in_files(now)
        recovery.chains = [row["id"] for row in rows if store.chains.take_in(row)]
        recovery.revocations = take_in_lists(store, layout, now)
        number_generations(store, layout)
        store.database.execute("delete from meta where key = 'trusted'")


def number_generations(store: Store, layout: Layout) -> None:
    """Number new generations after those that are on disk, where no database tells. Call inside `Store.write`."""
    for owner, number in last_numbers(layout):
        store.deployments.raise_number(owner, number)


def _put_in_place(layout: Layout, fresh: Path) -> Path:
    """Move the damaged files aside, and the new one to their place. A pass that finds neither does it again."""
    aside = _aside(layout)
    for path in files_of(layout.database):
        with contextlib.suppress(FileNotFoundError):
            path.rename(aside / path.name)
    fresh.rename(layout.database)
    flush_directory(layout.private)
    return aside


def _aside(layout: Layout) -> Path:
    """Return a new directory for damaged files; the oldest go."""
    parent = layout.private / "damaged"
    make_directory(parent, mode=0o700)
    known = sorted((each for each in parent.iterdir() if each.name.isdecimal()), key=lambda each: int(each.name))
    for each in known[: -(MOST_ASIDE - 1)] if len(known) >= MOST_ASIDE else ():
        shutil.rmtree(each, ignore_errors=True)
    made = parent / str(int(known[-1].name) + 1 if known else 1)
    make_directory(made, mode=0o700)
    return made


def _remove(fresh: Path) -> None:
    for path in files_of(fresh):
        path.unlink(missing_ok=True)


def restored_rows(recovery: Recovery) -> Iterable[str]:
    """Yield lines for people: what was done."""
    if recovery.from_itself:
        but = f" but those of {few(recovery.left_out)}" if recovery.left_out else ""
        yield f"every row could be read{but}, and was taken over"
    if recovery.copy is not None:
        yield f"the copy of {written(recovery.made_at)} was restored"
    for many, what, several in (
        (len(recovery.chains), "chain that is in service", "chains that are in service"),
        (len(recovery.roots), "root", "roots"),
        (len(recovery.accounts), "ACME account key", "ACME account keys"),
        (recovery.revocations, "revocation of published lists", "revocations of published lists"),
    ):
        if many:
            yield f"{many} {what} was taken in" if many == 1 else f"{many} {several} were taken in"
    if recovery.aside is not None:
        yield f"the damaged files are in {recovery.aside}{os.sep}"
