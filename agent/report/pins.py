"""Pins of one uploaded chain: where it is pinned, and where it can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from agent.health.handover import why_too_late
from agent.health.snapshot import Snapshot
from agent.model.fitting import is_pinned, why_unfit
from agent.model.need import Need
from agent.model.pin import Pin
from agent.model.records import UPLOADED, ChainRecord
from agent.system.names import covers_all


@dataclass(frozen=True, slots=True)
class PinDetails:
    """Need for which an uploaded chain is pinned, or can be."""

    module: str
    title: str
    slot: str
    in_settings: bool
    """Whether the settings pin this chain."""
    settings_pin: str | None
    """What the settings pin for the need, this chain or another one: no pin of a person is used or can be set then."""
    who: str
    """Who has pinned this chain; empty: nobody has."""
    at: datetime | None
    """When that was."""
    other: str | None
    """Id of the other chain that a person has pinned: a pin of this one takes its place."""
    obstacle: str
    """Why this chain, which is pinned, can't serve the need: a clause; empty where it can."""


def pins_of(snapshot: Snapshot, record: ChainRecord, now: datetime) -> Iterator[PinDetails]:
    """Yield where an uploaded chain is pinned or can be, by module and slot; nothing for chains of other sources."""
    if record.source != UPLOADED:
        return
    needs = {need.key: need for need in snapshot.needs}
    pins = {pin.key: pin for pin in snapshot.pins}
    for key in sorted(needs.keys() | pins.keys()):
        need = needs.get(key)
        found = _details(snapshot, key, need, pins.get(key), record, now)
        meant = found.in_settings and need is not None and covers_all(record.names, need.names)
        if (
            meant or found.at or not found.obstacle
        ):  # a module's pin in the settings is for those of its slots it covers
            yield found


def _details(
    snapshot: Snapshot, key: tuple[str, str], need: Need | None, pin: Pin | None, record: ChainRecord, now: datetime
) -> PinDetails:
    module, slot = key
    own = pin if pin and pin.chain == record.id else None
    return PinDetails(
        module=module,
        title=next((each.title for each in snapshot.modules if each.name == module), module),
        slot=slot,
        in_settings=need is not None and need.pin is not None and is_pinned(need, record, {}),
        settings_pin=need.pin if need else None,
        who=own.who if own else "",
        at=own.at if own else None,
        other=pin.chain if pin and not own else None,
        obstacle=(why_unfit(need, record, now) or (why_too_late(snapshot, need, record, now) if own else ""))
        if need
        else f"{module} asks for no chain there",
    )
