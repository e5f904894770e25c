"""Pins of uploaded chains: set, moved and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.errors.pins import NotPinned, PinMoved, PinnedInSettings, PinUnusable
from agent.errors.usage import UnknownModule, UnknownSlot
from agent.model.events import EventKind
from agent.model.fitting import could_serve, why_unfit
from agent.model.pin import Pin
from agent.model.records import UPLOADED

if TYPE_CHECKING:
    from agent.model.need import Need
    from agent.model.records import ChainRecord
    from agent.operations.effects import Switch
    from agent.operations.locked_state import LockedState


def pin(state: LockedState, module: str, slot: str, chain: str) -> list[Switch]:
    """Have an uploaded chain go before all other uploads for a need; return what switches. `chain`: its id.

    Raises `UnknownModule`, `UnknownSlot`, `UnknownChain`, `PinnedInSettings` and `PinUnusable`.
    """
    need, record = _need(state, module, slot), state.known(chain)
    if need.pin is not None:
        raise PinnedInSettings(module, slot, need.pin)
    reason = why_unfit(need, record, state.now)
    if not reason and UPLOADED not in state.rungs(need):
        reason = f"only chains of {', '.join(state.rungs(need)) or 'no source'} may serve there"
    if reason:
        raise PinUnusable(chain, module, slot, reason)
    made = Pin(module, slot, chain, state.actor.name if state.actor else "", state.now)
    switches = state.switches(pins=[*(each for each in state.pins if each.key != made.key), made])
    event = state.event(EventKind.CHAIN_PINNED, f"{chain[:12]} is pinned for {slot}", module, slot=slot, chain=chain)
    with state.change("chain pinned", f"{module}/{slot}", chain, events=[event]):
        state.store.pins.put(made)
    return switches


def unpin(state: LockedState, module: str, slot: str, chain: str = "") -> list[Switch]:
    """Take the pin of a need back; return what switches. Raises `NotPinned`, `PinnedInSettings` and `PinMoved`.

    `chain`: id of the one that is meant; empty: whichever is pinned.
    """
    present = next((each for each in state.pins if each.key == (module, slot)), None)
    need = next((each for each in state.needs if each.key == (module, slot)), None)
    if present is None and need is not None and need.pin is not None:
        raise PinnedInSettings(module, slot, need.pin)
    if present is None:
        raise NotPinned(module, slot, [f"{each.module}/{each.slot}" for each in state.pins])
    if chain and present.chain != chain:
        raise PinMoved(chain, module, slot, present.chain)
    switches = state.switches(pins=[each for each in state.pins if each is not present])
    text = f"the pin of {present.chain[:12]} for {slot} was taken back"
    event = state.event(EventKind.CHAIN_UNPINNED, text, module, slot=slot, chain=present.chain)
    with state.change("pin taken back", f"{module}/{slot}", present.chain, events=[event]):
        state.store.pins.delete(present)
    return switches


def pinned_for(state: LockedState, chain: str) -> list[str]:
    """Return what a chain is pinned for: each ``module/slot``."""
    return [f"{each.module}/{each.slot}" for each in state.pins if each.chain == chain]


def pins_without(state: LockedState, chain: str, successor: ChainRecord | None = None) -> list[Pin]:
    """Return the pins as they are once a chain is gone: its own go with it, or over to `successor` where that can serve."""
    needs = {need.key: need for need in state.needs}
    kept = []
    for each in state.pins:
        if each.chain != chain:
            kept.append(each)
        elif successor and each.key in needs and could_serve(needs[each.key], successor, state.now):
            kept.append(replace(each, chain=successor.id))
    return kept


def keep_pins(state: LockedState, pins: Sequence[Pin]) -> None:
    """Store the pins in place of the present ones. Call inside a change."""
    for each in set(state.pins) - set(pins):
        state.store.pins.delete(each)
    for each in set(pins) - set(state.pins):
        state.store.pins.put(each)


def _need(state: LockedState, module: str, slot: str) -> Need:
    slots = {need.slot: need for need in state.needs if need.module == module}
    if not slots and module not in state.inputs.settings.entries:
        raise UnknownModule(module, state.inputs.settings.entries)
    if slot not in slots:
        raise UnknownSlot(module, slot, list(slots))
    return slots[slot]
