"""Snapshot of all that is known of an appliance: what its health is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agent.model.binding import Binding
from agent.model.deployment import Deployment, EndpointRecord, Refusal
from agent.model.finding import Finding
from agent.model.need import Need
from agent.model.observed import ObservedState
from agent.model.peer import Peer
from agent.model.pin import Pin
from agent.model.records import ChainRecord, OrderRecord
from agent.model.resolved import ResolvedName
from agent.model.restart import Restart
from agent.model.root import CrossCertificate, RootRecord
from agent.store.modules import ModuleRecord


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source is that is being asked right now."""

    source: str
    step: str
    """What it did or said last, a few words; empty at first."""
    since: datetime
    """When it began."""


@dataclass(frozen=True)
class Snapshot:
    """Rows of the store, and what was seen beside it when they were read."""

    root: RootRecord | None = None
    """The one that signs."""
    roots: tuple[RootRecord, ...] = ()
    """The newest first."""
    crosses: tuple[CrossCertificate, ...] = ()
    peers: tuple[Peer, ...] = ()
    chains: tuple[ChainRecord, ...] = ()
    renewals: Mapping[str, datetime] = field(default_factory=dict)
    """Id of a chain -> when its source renews it."""
    modules: tuple[ModuleRecord, ...] = ()
    needs: tuple[Need, ...] = ()
    bindings: tuple[Binding, ...] = ()
    orders: tuple[OrderRecord, ...] = ()
    leased: frozenset[tuple[str, str]] = frozenset()
    """`(request, source)` that a living process works at."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Source -> what it has in common with those that stand in for it."""
    progress: Mapping[tuple[str, str], Progress] = field(default_factory=dict)
    """How far those are."""
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    live: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Module -> slot -> id of the chain in the generation that is in service."""
    deferred: Mapping[str, datetime] = field(default_factory=dict)
    """Module -> when its activation window opens."""
    refusals: tuple[Refusal, ...] = ()
    endpoints: tuple[EndpointRecord, ...] = ()
    pins: tuple[Pin, ...] = ()
    """Those that a person has set."""
    names: tuple[ResolvedName, ...] = ()
    """Host names that modules need addresses of."""
    observed: tuple[ObservedState, ...] = ()
    """What services told of themselves last."""
    restarts: tuple[Restart, ...] = ()
    """The last starts of services that had ended."""
    conditions: tuple[Finding, ...] = ()
    """What passes have noted, and what was seen when this was read: nothing in the rows tells it."""
    next_at: datetime | None = None
    owner: str = "root"
    """Whose the agent's files are."""
