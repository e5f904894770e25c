"""Steps of roots' lives that a person asks for: the prepared one signs, the one that was replaced retires, now or on a date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.engine.pass_inputs import state_of
from agent.engine.root_steps import store_beginning
from agent.errors.problem import rfc3339
from agent.errors.root import NoRootPrepared, NoRootReplaced, RootStepTooLate, RootUnknown
from agent.model.events import Event, EventKind
from agent.model.root import RootPhase, RootRecord, all_in_phase, root_named
from agent.operations.consequences import module_effects
from agent.operations.effects import RetirementEffects
from agent.planning.root_life import depending_in, hand_over_instant

if TYPE_CHECKING:
    from datetime import datetime

    from agent.errors.root import RootError
    from agent.operations.locked_state import LockedState

ASKED = "as it was asked for"


def prepared_root(state: LockedState, of: str = "") -> RootRecord:
    """Return the root that is prepared, the main one first; `of`: the beginning of its SHA-256.

    Raises `NoRootPrepared`, `RootUnknown` and `RootAmbiguous`.
    """
    return _found(state, RootPhase.PREPARED, of, NoRootPrepared)


def _found(state: LockedState, phase: RootPhase, of: str, missing: type[RootError]) -> RootRecord:
    known = all_in_phase(state.store.roots.all(), phase)
    found = root_named(known, of) if of else next(iter(known), None)
    if found is None:
        raise RootUnknown(of) if of else missing
    return found


def begin_signing(state: LockedState, at: datetime, of: str = "") -> RootRecord:
    """Have the prepared root sign from an instant on. Raises `NoRootPrepared` and `RootStepTooLate`.

    Where that is now, it is done here: what is asked for doesn't wait until the clock has been believed for long enough.
    """
    found = prepared_root(state, of)
    present = state.store.roots.present(beside=found.beside)
    for each in (found, present if at > state.now else None):
        if each is not None and hand_over_instant(each) < at:
            raise RootStepTooLate(each.subject, each.not_after, hand_over_instant(each))
    events = _events(state, EventKind.ROOT_SIGNS, found, at)
    with state.change("root begins to sign", found.subject, rfc3339(at), events=events):
        state.store.roots.move(found.sha256, signs_at=at)
        if at <= state.now:
            store_beginning(state.store, found.sha256, state.now)
    return found


def retire_root(state: LockedState, at: datetime, of: str = "") -> RootRecord:
    """Have the root that was replaced believed until an instant. Raises `NoRootReplaced` and `RootStepTooLate`."""
    found = replaced_root(state, of)
    if found.not_after < at:
        raise RootStepTooLate(found.subject, found.not_after, found.not_after)
    events = _events(state, EventKind.ROOT_RETIRED, found, at)
    with state.change("root retires", found.subject, rfc3339(at), events=events):
        state.store.roots.move(found.sha256, retires_at=at)
        if at <= state.now:
            state.store.roots.retire(found.sha256, state.now)
    return found


def replaced_root(state: LockedState, of: str = "") -> RootRecord:
    """Return the newest root that was replaced and is still believed, the main one first; `of`: as above.

    Raises `NoRootReplaced`, `RootUnknown` and `RootAmbiguous`.
    """
    return _found(state, RootPhase.REPLACED, of, NoRootReplaced)


def retirement_effects(state: LockedState, of: str = "") -> RetirementEffects:
    """Return what it would do if the root that was replaced were believed no longer. Raises `NoRootReplaced`."""
    root = replaced_root(state, of)
    found = module_effects(state, "retirement", root.sha256, (), state.inputs.enabled.modules)
    known = state_of(state.inputs, state.store, state.now)
    depending = dict(depending_in(known, root.sha256, state.bindings(), state.now))
    carried = {f"{each.module}/{each.label}" for each in known.peers if each.root == root.sha256}
    return RetirementEffects(
        *(found.consequences, found.unknown, found.uninspected),
        *(root.subject, root.sha256, root.not_after),
        peers=tuple(each for each in depending if each in carried),
        served=tuple(each for each in depending if each not in carried),
    )


def _events(state: LockedState, kind: EventKind, root: RootRecord, at: datetime) -> list[Event]:
    return [state.event(kind, f"{root.subject}: {ASKED}", sha256=root.sha256)] if at <= state.now else []
