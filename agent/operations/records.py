"""TXT records that prove names for good (dns-persist-01): what a person's look has seen counts for the next pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.engine.record_looks import settle_record_looks
from agent.model.persistent import by_domain
from agent.operations.locked_state import locked_state

if TYPE_CHECKING:
    from agent.engine.engine import Engine
    from agent.model.persistent import PersistentLook
    from agent.operations.locked_state import LockedState


def store_looks(engine: Engine, looks: Sequence[PersistentLook], wait: float = 60.0) -> None:
    """Keep what was seen of records that passes look at, for the same names. Raises `LockHeld` after `wait` seconds."""
    with locked_state(engine, wait) as state:
        known = state.store.persistent.all()
        pairs = [(each, known[each.key]) for each in looks if each.key in known]
        same = [_as_known(*each) for each in pairs if set(each[1].names) <= set(each[0].names)]
        settle_record_looks(state.store, same)


def distrust_looks(state: LockedState, sources: Collection[str]) -> None:
    """Have the records of sources looked at again before anything goes by them: their account, or its key, is another one."""
    with state.store.write():
        known = state.store.persistent.all().values()
        state.store.persistent.put(replace(each, origin="") for each in known if each.source in sources)


def look_soon(engine: Engine, names: Collection[str], wait: float = 60.0) -> None:
    """Have the next pass look at what is missing for `names`, however long nobody has set it. Raises `LockHeld`."""
    with locked_state(engine, wait) as state:
        domains = set(by_domain(names))
        missing = [each for each in state.store.persistent.all().values() if each.problem and each.domain in domains]
        if missing:
            with state.store.write():
                state.store.persistent.put(replace(each, next_at=None) for each in missing)


def _as_known(look: PersistentLook, known: PersistentLook) -> PersistentLook:
    """Return a look with what was seen before of the same record."""
    return look if look.right_at else replace(look, right_at=known.right_at, right_value=known.right_value)
