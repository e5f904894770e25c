"""What a status is made of: everything that the store knows, read in one consistent state."""

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
from agent.store.instants import read, read_known
from agent.store.modules import ModuleRecord
from agent.store.roots import RootRecord
from agent.store.view import View
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
        from agent.store import Store

        Store.open_existing(layout).close()  # an older version's is brought up to date, a damaged one says so
        return _read(layout, now)


def _read(layout: Layout, now: datetime) -> Snapshot:
    with View.open(layout) as view:
        return read_view(view, now, _owner(layout))


def read_view(view: View, now: datetime, owner: str = "root") -> Snapshot:
    """Read what an opened store knows."""
    leased = frozenset(view.orders.leased(now))
    return Snapshot(
        root=view.roots.present(),
        chains=tuple(view.chains.records()),
        renewals=_instants(view, "renewals"),
        modules=tuple(view.modules.all()),
        needs=tuple(view.modules.needs()),
        bindings=tuple(view.modules.bindings()),
        orders=tuple(view.orders.records()),
        leased=leased,
        progress=_progress(view, leased),
        deployments=view.deployments.all(),
        live=view.live_chains(),
        deferred=_instants(view, "deferred"),
        refusals=tuple(view.deployments.refusals()),
        endpoints=tuple(view.endpoints.all()),
        observers=_kept(view, "failed observers"),
        next_at=read(view.meta("next at") or None),
        owner=owner,
    )


def _progress(view: View, leased: frozenset[tuple[str, str]]) -> dict[tuple[str, str], Progress]:
    """Return what the events say of each order that is under way."""
    found: dict[tuple[str, str], Progress] = {}
    for event in view.journal.orders() if leased else ():
        key = str(event.detail.get("request", "")), str(event.detail.get("source", ""))
        if key in leased:
            begun = event.kind is EventKind.ORDER_STARTED or key not in found
            found[key] = Progress(key[1], "", event.at) if begun else replace(found[key], step=event.text)
    return found


def _kept(view: View, key: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(view.meta(key) or "{}")
    return found


def _instants(view: View, key: str) -> dict[str, datetime]:
    return {name: read_known(at) for name, at in _kept(view, key).items()}


def _owner(layout: Layout) -> str:
    number = layout.database.stat().st_uid
    if number == 0:
        return "root"
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
