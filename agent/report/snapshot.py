"""Snapshot of everything that the store knows, read in one consistent state: what a status is made of."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from agent.model.binding import Binding
from agent.model.deployment import Deployment, EndpointRecord, Refusal
from agent.model.events import EventKind
from agent.model.need import Need
from agent.model.records import ChainRecord, OrderRecord
from agent.report.rows import Progress
from agent.store import Store
from agent.store.instants import read, read_known
from agent.store.modules import ModuleRecord
from agent.store.roots import RootRecord
from agent.system.layout import Layout


@dataclass(frozen=True)
class Snapshot:
    """The rows of the store."""

    root: RootRecord | None = None
    chains: tuple[ChainRecord, ...] = ()
    renewals: Mapping[str, datetime] = field(default_factory=dict)
    """Id of a chain -> when its source renews it."""
    modules: tuple[ModuleRecord, ...] = ()
    needs: tuple[Need, ...] = ()
    bindings: tuple[Binding, ...] = ()
    orders: tuple[OrderRecord, ...] = ()
    leased: frozenset[tuple[str, str]] = frozenset()
    """`(request, source)` that a living process works at."""
    progress: Mapping[tuple[str, str], Progress] = field(default_factory=dict)
    """How far those are."""
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    live: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Module -> slot -> id of the chain in the generation that is in service."""
    deferred: Mapping[str, datetime] = field(default_factory=dict)
    """Module -> when its activation window opens."""
    refusals: tuple[Refusal, ...] = ()
    endpoints: tuple[EndpointRecord, ...] = ()
    observers: Mapping[str, str] = field(default_factory=dict)
    """Observer -> what it raised last."""
    next_at: datetime | None = None
    owner: str = "root"
    """Whose the agent's files are."""


def read_snapshot(layout: Layout, now: datetime) -> Snapshot:
    """Read the store. Raises `StoreError`."""
    try:
        return _read(layout, now)
    except sqlite3.Error:
        Store.open_existing(layout).close()  # an older version's is brought up to date, a damaged one says so
        return _read(layout, now)


def _read(layout: Layout, now: datetime) -> Snapshot:
    with Store.open_read_only(layout) as store:
        leased = frozenset(store.orders.leased(now))
        return Snapshot(
            root=store.roots.present(),
            chains=tuple(store.chains.records()),
            renewals=_instants(store, "renewals"),
            modules=tuple(store.modules.all()),
            needs=tuple(store.modules.needs()),
            bindings=tuple(store.modules.bindings()),
            orders=tuple(store.orders.records()),
            leased=leased,
            progress=_progress(store, leased),
            deployments=store.deployments.all(),
            live=store.deployments.live_chains(),
            deferred=_instants(store, "deferred"),
            refusals=tuple(store.deployments.refusals()),
            endpoints=tuple(store.endpoints.all()),
            observers=_kept(store, "failed observers"),
            next_at=read(store.meta("next at") or None),
            owner=_owner(layout),
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


def _kept(store: Store, key: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(store.meta(key) or "{}")
    return found


def _instants(store: Store, key: str) -> dict[str, datetime]:
    return {name: read_known(at) for name, at in _kept(store, key).items()}


def _owner(layout: Layout) -> str:
    number = layout.database.stat().st_uid
    if number == 0:
        return "root"
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
