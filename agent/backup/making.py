"""Making of a backup, beside whatever the agent does."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.auth.audit_log import AuditLog
from agent.auth.person import Actor
from agent.backup.archive import MANIFEST, checksum, member_name, put, put_end
from agent.backup.database_copy import copy_database
from agent.backup.machine import machine_of
from agent.backup.manifest import DATABASE, MASTER_KEY, MOST_PARTS, SEALED, SEALED_NAME, Manifest, Part
from agent.backup.settings_files import SettingsFiles
from agent.errors.backup import BackupUnwritable
from agent.errors.problem import rfc3339
from agent.errors.store import DatabaseDamaged
from agent.model.events import Event, EventKind
from agent.operations.export import check_passphrase
from agent.pki.age import AgeWriter
from agent.store import Store
from agent.store.copies import check
from agent.store.sealing import read_master_key
from agent.system.layout import Layout
from agent.system.leftovers import remove_halves_of
from agent.system.obstacles import state_unwritable
from agent.system.trust import opened_regular, read
from agent.system.writing import created

if TYPE_CHECKING:
    from agent.pki.age import Target

STANDARD_OUTPUT = "standard output"


def make_backup(
    layout: Layout, target: Target, passphrase: bytes, *, name: str, actor: Actor, now: datetime
) -> Manifest:
    """Write a backup to `target`; it is in the audit record before. `name`: what the record calls it.

    Raises `PassphraseRefused`, `StoreError`, OSError.
    """
    check_passphrase(passphrase)
    with Store.open_existing(layout) as store:
        with store.write():
            AuditLog(store).note(actor, now, "backup made", name)
            store.journal.add(Event(at=now, kind=EventKind.BACKUP_MADE, text=f"{actor.name} has made a backup: {name}"))
        with _copied(store) as database:
            manifest, contents = _contents(store, layout, database, now)
            writer = AgeWriter(target, passphrase)
            text = manifest.to_json()
            put(writer, MANIFEST, len(text), io.BytesIO(text))
            for index, part in enumerate(manifest.parts):
                _put_part(writer, part, index, contents, database)
            put_end(writer)
            writer.close()
    return manifest


@contextmanager
def _copied(store: Store) -> Iterator[Path]:
    """Give a copy of the database; a pass removes what a process that is killed leaves of it.

    What can't be read wholly could not be restored either. Raises `DatabaseDamaged`, `StateUnwritable`.
    """
    path = store.layout.private / f".backup-{secrets.token_hex(8)}.new"
    try:
        try:
            copy_database(store, path)
        except OSError as error:
            raise state_unwritable(store.layout.private, error) from error
        if fault := check(path):
            raise DatabaseDamaged(str(store.layout.database), fault)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _contents(store: Store, layout: Layout, database: Path, now: datetime) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest, and what is held in memory: all but the database."""
    settings = SettingsFiles.collect(layout)
    with opened_regular(database) as file:
        parts = [Part(DATABASE, *checksum(file))]
    contents = {MASTER_KEY: read_master_key(layout.master_key).hex().encode() + b"\n"}
    for path in sorted(layout.private.iterdir()):
        if SEALED_NAME.fullmatch(path.name):
            contents[SEALED + path.name] = read(path, root=layout.root).data
    parts += [Part(each, len(data), hashlib.sha256(data).hexdigest()) for each, data in contents.items()]
    parts = (parts + settings.parts)[:MOST_PARTS]
    return Manifest(rfc3339(now), machine_of(store, layout), tuple(parts), tuple(settings.left_out)), {
        **contents,
        **settings.contents,
    }


def _put_part(writer: AgeWriter, part: Part, index: int, contents: dict[str, bytes], database: Path) -> None:
    name = member_name(part, index)
    if part.path == DATABASE:
        with opened_regular(database) as file:
            put(writer, name, part.size, file)
    else:
        put(writer, name, part.size, io.BytesIO(contents[part.path]))


@contextmanager
def new_file(path: Path, root: Path) -> Iterator[Target]:
    """Give what writes a new file of mode 0600, which is there once it is whole. Raises `BackupUnwritable`.

    What one that was killed has left of it goes. `root`: of the appliance.
    """
    with _written(str(path)):
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, "there is a file of this name")
        remove_halves_of(path, root)
        with created(path) as file:
            yield file


@contextmanager
def standard_output(descriptor: int) -> Iterator[Target]:
    """Give what writes to the caller's standard output. Raises `BackupUnwritable`."""
    with _written(STANDARD_OUTPUT):
        yield _Output(descriptor)


class _Output:
    """A descriptor without a buffer: what it refuses is told at once, and not tried again when the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write all of it. Raises OSError."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]


@contextmanager
def _written(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupUnwritable(name, (error.strerror or str(error)).lower()) from error
