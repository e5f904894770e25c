"""Reading of a snapshot: everything that the store knows in one consistent state, and what is to be seen beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from agent.errors.store import DatabaseBusy, DatabaseRefused
from agent.health.clock import with_clock
from agent.health.damage import with_damage
from agent.health.room import with_room
from agent.health.snapshot import Progress, Snapshot
from agent.model.deployment import EndpointRecord
from agent.model.events import EventKind
from agent.model.finding import Finding
from agent.report.observing import observed
from agent.store import Store
from agent.store.restarts import read_restarts
from agent.system.clock import Clock
from agent.system.clock_judgement import Belief
from agent.system.disk import shortages
from agent.system.last_look import read_look
from agent.system.layout import Layout


def read_snapshot(layout: Layout, now: datetime, belief: Belief | None = None) -> Snapshot:
    """Read the store. `belief`: of the clock by which `now` is; None: of the machine's. Raises `StoreError`."""
    belief = belief or Clock(layout.root).belief()
    try:
        return _read(layout, now, belief)
    except DatabaseBusy:
        raise
    except (DatabaseRefused, sqlite3.Error):
        Store.open_existing(layout).close()  # an older version's is brought up to date, a damaged one says so
        return _read(layout, now, belief)


def _read(layout: Layout, now: datetime, belief: Belief) -> Snapshot:
    with Store.open_read_only(layout) as store:
        leased = frozenset(store.orders.leased(now))
        found = Snapshot(
            root=store.roots.present(),
            roots=tuple(store.roots.all()),
            crosses=tuple(store.roots.crosses()),
            peers=tuple(store.peers.all()),
            chains=tuple(store.chains.records()),
            renewals=store.instants("renewals"),
            modules=tuple(store.modules.all()),
            needs=tuple(store.modules.needs()),
            bindings=tuple(store.modules.bindings()),
            orders=tuple(store.orders.records()),
            leased=leased,
            groups=store.texts("groups"),
            progress=_progress(store, leased),
            deployments=store.deployments.all(),
            live=store.deployments.live_chains(),
            deferred=store.instants("deferred"),
            refusals=tuple(store.deployments.refusals()),
            endpoints=_looked_at(layout, store.endpoints.all(), now),
            pins=tuple(store.pins.all()),
            names=tuple(store.resolved.all()),
            observed=tuple(store.observations.all()),
            restarts=tuple(read_restarts(store).values()),
            conditions=_conditions(layout, store, now, belief),
            next_at=store.instant("next at"),
            owner=_owner(layout),
        )
        rows = store.database.damaged.values()
        return replace(found, conditions=with_damage(found.conditions, rows, layout.database)) if rows else found


def _conditions(layout: Layout, store: Store, now: datetime, belief: Belief) -> tuple[Finding, ...]:
    """Return what passes have noted, with the room on the disks and the clock as they are now."""
    noted = with_room(observed(layout, store, now), shortages(str(layout.root)))
    return with_clock(noted, belief)


def _looked_at(layout: Layout, endpoints: Iterable[EndpointRecord], now: datetime) -> tuple[EndpointRecord, ...]:
    """Return the endpoints with the last look of a run that had nothing to do: it found what is stored of them."""
    at, places = read_look(str(layout.root))
    looked = datetime.fromtimestamp(at, UTC)
    return tuple(
        replace(each, checked_at=looked)
        if each.ok
        and (each.address, each.server_name) in places
        and each.checked_at
        and each.checked_at < looked <= now
        else each
        for each in endpoints
    )


def _progress(store: Store, leased: frozenset[tuple[str, str]]) -> dict[tuple[str, str], Progress]:
    """Return what the events say of each order that is under way."""
    found: dict[tuple[str, str], Progress] = {}
    for event in store.journal.orders() if leased else ():
        key = str(event.detail.get("request", "")), str(event.detail.get("source", ""))
        if key in leased:
            begun = event.kind is EventKind.ORDER_STARTED or key not in found
            found[key] = Progress(key[1], "", event.at) if begun else replace(found[key], step=event.text)
    return found


def _owner(layout: Layout) -> str:
    number = layout.database.stat().st_uid
    if number == 0:
        return "root"
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
