"""The check that the master key is the one that sealed a database."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from agent.errors.base import AgentError
from agent.errors.store import MasterKeyWrong, SealBroken
from agent.store.chains import Chains
from agent.store.connection import Connection
from agent.store.roots import Roots
from agent.store.sealing import Sealer, create_master_key, master_key_path, read_master_key
from agent.store.traces import refuse_to_forget
from agent.system.layout import Layout

KEY_CHECK = "chainwright master key"


def sealer_of(layout: Layout) -> Sealer:
    """Return what seals with the appliance's master key, which is read when it is first used."""
    return Sealer(partial(read_master_key, layout.master_key))


def checked_sealer(layout: Layout, database: Connection) -> Sealer:
    """Return what opens the keys of this database. Raises `MasterKeyWrong`, `MasterKeyLost`, `DatabaseLost`."""
    found = database.execute("select value from meta where key = 'key_check'").fetchone()
    sealer = sealer_of(layout)
    if found is None and not _has_sealed(database):
        return _first_sealer(layout, database)
    if found is not None and _opens(sealer, found[0]):
        return sealer
    sealer.seal(b"", KEY_CHECK)  # where there is no master key at all, that is another error
    if not _opens_a_key(sealer, database):
        raise MasterKeyWrong(str(master_key_path(layout.master_key)))
    _keep_check(sealer, database)  # the row itself was lost, or damaged
    return sealer


def _opens(sealer: Sealer, check: object) -> bool:
    try:
        sealer.open(bytes.fromhex(str(check)), KEY_CHECK)
    except (SealBroken, ValueError):
        return False
    return True


def _has_sealed(database: Connection) -> bool:
    return database.execute("select 1 from roots limit 1").fetchone() is not None


def _opens_a_key(sealer: Sealer, database: Connection) -> bool:
    """Whether the master key opens any of the keys that are kept, the newest first."""
    for store in (Roots(database, sealer, Path()), Chains(database, sealer)):
        for sha256 in store.newest_ids():
            with suppress(AgentError, ValueError, TypeError):
                if store.load(sha256) is not None:
                    return True
    return False


def _first_sealer(layout: Layout, database: Connection) -> Sealer:
    refuse_to_forget(layout)  # a database that was emptied is as lost as one that is gone
    if not master_key_path(layout.master_key).exists():
        create_master_key(layout.master_key)
    return new_sealer(layout, database)


def new_sealer(layout: Layout, database: Connection) -> Sealer:
    """Return what seals the keys of a new database with the master key that there is."""
    sealer = sealer_of(layout)
    _keep_check(sealer, database)
    return sealer


def _keep_check(sealer: Sealer, database: Connection) -> None:
    check = sealer.seal(KEY_CHECK.encode(), KEY_CHECK).hex()
    database.table("meta").upsert({"key": "key_check", "value": check}, pk="key")
