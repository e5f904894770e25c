"""Restoring of a backup: read whole and checked first, then put in place at once."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from agent.auth.audit_log import AuditLog
from agent.auth.person import Actor
from agent.backup.archive import ArchiveReader
from agent.backup.database_copy import advance_lists, keep_deployed
from agent.backup.machine import differences
from agent.backup.manifest import DATABASE, MASTER_KEY, SEALED, SETTINGS, Manifest, Part
from agent.errors import AgentError
from agent.errors.backup import BackupDamaged, RestoreImpossible, StateInTheWay
from agent.errors.store import AgentStillRunning, DatabaseTooNew, MasterKeyOfAnother, MasterKeyWrong, StoreError
from agent.errors.usage import InputUnreadable
from agent.model.events import Event, EventKind
from agent.pki.age import AgeReader
from agent.store import Store
from agent.store.copies import check
from agent.store.recovery import number_generations
from agent.store.sealing import master_key_path
from agent.store.upgrade import unknown_steps
from agent.system.layout import Layout
from agent.system.lock import held
from agent.system.processes import command_line
from agent.system.replacement import Replacement, settings_in
from agent.system.trust import opened_regular
from agent.system.writing import write_new_pieces


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done, or would do."""

    manifest: Manifest
    differences: tuple[str, ...]
    aside: tuple[Path, ...] = ()
    """Where what was there has gone."""


def look_into(layout: Layout, file: Path, passphrase: bytes) -> Restored:
    """Read and check a whole backup, changing nothing. Raises `BackupError`, `DatabaseTooNew`, `InputUnreadable`."""
    with _opened(file, passphrase) as archive:
        for _, content in archive.parts():
            for _ in content:
                pass
        return Restored(archive.manifest, tuple(differences(archive.manifest.machine, layout)))


def restore(
    layout: Layout, file: Path, passphrase: bytes, *, replace: bool, actor: Actor, now: datetime, wait: float
) -> Restored:
    """Put settings and keys of a backup in place; `replace`: what is there goes aside.

    Raises `BackupError`, `StoreError`, `InputUnreadable`; then nothing has changed.
    """
    with _alone(layout, wait):
        _refuse_while_ordering(layout, now)
        replacement = Replacement(layout)
        replacement.finish()
        if not replace and (found := _in_the_way(layout)):
            raise StateInTheWay(str(layout.state), found)
        with _opened(file, passphrase) as archive:
            found_here = differences(archive.manifest.machine, layout)
            try:
                replacement.begin()
                found_here += _staged(archive, replacement, str(file), found_here, actor, now)
                aside = replacement.commit(now)
            except OSError as error:
                raise RestoreImpossible(str(error.filename or layout.state), _reason(error)) from error
            finally:
                if not replacement.committed:
                    with contextlib.suppress(OSError):
                        replacement.drop()
        replacement.finish()
    return Restored(archive.manifest, tuple(found_here), tuple(aside))


def finish(layout: Layout, wait: float) -> bool:
    """Go on with a restore that was interrupted; False: there is none. Raises `AgentStillRunning`, `RestoreUnfinished`."""
    with _alone(layout, wait):
        replacement = Replacement(layout)
        begun = replacement.committed
        replacement.finish()
    return begun


@contextmanager
def _alone(layout: Layout, wait: float) -> Iterator[None]:
    """Keep the agent and its passes away. Raises `AgentStillRunning`."""
    refusal = AgentStillRunning
    with held(layout.daemon_lock, wait=0.0, refusal=refusal), held(layout.lock, wait=wait, refusal=refusal):
        yield


def _refuse_while_ordering(layout: Layout, now: datetime) -> None:
    """An ``apply`` that waits for a CA holds no lock, and would write to what went aside. Raises `AgentStillRunning`."""
    pid = None
    with contextlib.suppress(sqlite3.Error, StoreError), Store.open_read_only(layout) as store:
        pid = store.orders.worked_at_by(now)
    if pid is not None:
        raise AgentStillRunning(str(layout.database), f"pid {pid}, {command_line(pid)}")


def _in_the_way(layout: Layout) -> list[str]:
    keys = [layout.database, layout.master_key, *sorted(layout.private.glob("*.sealed"))]
    return [str(path) for path in (*keys, *(layout.etc / name for name in settings_in(layout))) if path.exists()]


@contextmanager
def _opened(file: Path, passphrase: bytes) -> Iterator[ArchiveReader]:
    name = str(file)
    with contextlib.ExitStack() as opened:
        try:
            source: BinaryIO = opened.enter_context(opened_regular(file))
            archive = ArchiveReader(AgeReader(source, passphrase, name), name)
        except OSError as error:
            raise InputUnreadable(name, _reason(error)) from error
        if unknown := unknown_steps(archive.manifest.machine.migrations):
            raise DatabaseTooNew(name, ", ".join(unknown))
        yield archive


def _staged(
    archive: ArchiveReader,
    replacement: Replacement,
    file: str,
    differences_found: Sequence[str],
    actor: Actor,
    now: datetime,
) -> list[str]:
    """Write and check what is to come, as of an appliance of its own. Return what else differs."""
    staged = replacement.staged
    staged.private.mkdir(parents=True, mode=0o700)
    for part, content in archive.parts():
        path = _place(staged, part)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        write_new_pieces(path, content, mode=_mode(part))
    if fault := check(staged.database):
        raise BackupDamaged(file, f"its database is damaged ({fault})")
    try:
        with Store.open_existing(staged) as store:
            return _adapted(store, replacement.layout, archive.manifest, differences_found, actor, now)
    except MasterKeyWrong as error:
        if master_key_path(staged.master_key) != staged.master_key:
            raise MasterKeyOfAnother(str(master_key_path(staged.master_key))) from error
        raise


def _place(staged: Layout, part: Part) -> Path:
    if part.path == DATABASE:
        return staged.database
    if part.path == MASTER_KEY:
        return staged.master_key
    if part.path.startswith(SEALED):
        return staged.private / part.path.removeprefix(SEALED)
    return staged.etc / part.path.removeprefix(SETTINGS)


def _mode(part: Part) -> int:
    """Nobody but root may write; who else may read and execute is as it was for files of the settings."""
    return (part.mode & 0o755) | 0o600 if part.path.startswith(SETTINGS) else 0o600


def _adapted(
    store: Store, layout: Layout, manifest: Manifest, differences_found: Sequence[str], actor: Actor, now: datetime
) -> list[str]:
    """Make the restored database that of this machine, with what is deployed here. Return what else differs."""
    machine = manifest.machine
    more = []
    with store.write():
        if layout.database.exists() or any(layout.modules.glob("*/live")):
            try:
                with store.part():
                    keep_deployed(store, layout.database)
            except (sqlite3.Error, AgentError) as error:
                more.append(
                    f"What is deployed here can't be told, as the database that is replaced can't be read ({error})."
                )
                number_generations(store, layout)
        advance_lists(store)
        text = f"restored from a backup of {machine.hostname}, {manifest.made_at}"
        AuditLog(store).note(actor, now, "backup restored", machine.hostname, manifest.made_at)
        detail = {"differences": [*differences_found, *more]}
        store.journal.add(Event(at=now, kind=EventKind.RESTORED, text=text, detail=detail))
    return more


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
