"""Steps of roots that are due: the first one, a successor in time, its signing, and the end of the one before. Pure.

A successor is prepared when a quarter of the root's life is left, signs after the overlap in which clients are given it, and
the root before it is retired when nothing that it has signed is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

from agent.model.binding import Binding
from agent.model.root import RootPhase, RootRecord, dependents, in_phase, preparation_instant
from agent.planning.actions import BeginSigning, CrossCertify, MakeRoot, PrepareRoot, RetireRoot, RootStep
from agent.planning.state import State

SIGNS_IN = {False: 8, True: 16}
"""Part of it that is left at least when the successor begins to sign."""
LEAVES = 2
"""Lifetimes of local chains that are left then, where that is less: none is cut short by the root's end."""

LEAST_LEFT = timedelta(days=20)
"""Of a root's life when its successor begins at the latest, also where a person wants it later: about a twentieth of the
longest life of a local chain, so that none hands over to nothing."""
STAYS = timedelta(days=1)
"""So long at least a root is believed after its last signature: what it has signed is replaced in the pass that ends it."""


class Lasting(Protocol):
    """A root, opened or not."""

    @property
    def not_before(self) -> datetime:
        """When its life begins."""

    @property
    def not_after(self) -> datetime:
        """When it ends."""


def last_signing_instant(root: RootRecord, leaf_lifetime: timedelta) -> datetime:
    """Return when the successor of a root begins to sign at the latest."""
    part = (root.not_after - root.not_before) / SIGNS_IN[root.uploaded]
    return root.not_after - min(LEAVES * leaf_lifetime, part)


def hand_over_instant(root: Lasting) -> datetime:
    """Return until when a root may sign: after that what it signs would be about to end as soon as it is made."""
    return root.not_after - min(LEAST_LEFT, (root.not_after - root.not_before) / 20)


def signing_instant(present: RootRecord, now: datetime, overlap: timedelta, leaf_lifetime: timedelta) -> datetime:
    """Return when a successor made at `now` begins to sign: after the overlap, as far as the present root has the time."""
    return max(now, min(now + overlap, last_signing_instant(present, leaf_lifetime)))


def depending_in(state: State, root: str, bindings: Iterable[Binding], now: datetime) -> Iterator[tuple[str, datetime]]:
    """Yield the dependents of a root, as planning knows them."""
    return dependents(
        root, now, chains=state.evidence.chains, bindings=bindings, live=state.live_chains, peers=state.peers
    )


class RootLife:
    """Gathers what is due of the roots' lives."""

    def __init__(self, state: State, bindings: Collection[Binding], now: datetime) -> None:
        self._state = state
        self._bindings = bindings
        self._now = now
        self._present = in_phase(state.own_roots, RootPhase.SIGNING)
        self._prepared = in_phase(state.own_roots, RootPhase.PREPARED)
        self.due: list[RootStep] = []
        self.instants: list[datetime] = []

    def consider(self, *, wanted: bool) -> None:
        """Consider every root. `wanted`: a local chain is due, so that there has to be one."""
        if self._prepared is not None and self._prepared.not_after <= self._now:
            self.due.append(RetireRoot(self._prepared.sha256, self._prepared.subject, "it has ended"))
            self._prepared = None
        if self._present is None and self._prepared is None:
            self.due += [MakeRoot()] if wanted and self._state.evidence.root is None else []
            return
        if self._prepared is not None:
            self._consider_successor(self._prepared)
        elif self._present is not None and self._is_due(preparation_instant(self._present)):
            self.due.append(PrepareRoot(_why_prepared(self._present, self._now)))
        self._cross_certify()
        for root in self._state.own_roots:
            if root.phase is RootPhase.REPLACED and (why := self._why_retired(root)):
                self.due.append(RetireRoot(root.sha256, root.subject, why))

    def _consider_successor(self, prepared: RootRecord) -> None:
        if why := self._why_signing(prepared.signs_at or self._now):
            self.due.append(BeginSigning(prepared.sha256, prepared.subject, why))

    def _why_signing(self, at: datetime) -> str:
        if self._present is None:
            return "no other root signs"
        if self._present.not_after <= self._now:
            return "the root before it has ended"
        if self._is_due(hand_over_instant(self._present)):
            return _why_prepared(self._present, self._now)
        return f"that was to be on {at:%Y-%m-%d}" if self._is_due(at) else ""

    def _cross_certify(self) -> None:
        """Have the root that signs and the other one that is believed certified by each other."""
        known = {(each.subject, each.issuer) for each in self._state.crosses}
        before = in_phase(self._state.own_roots, RootPhase.REPLACED)
        other = self._prepared or before
        if self._present is None or other is None or max(self._present.not_after, other.not_after) <= self._now:
            return
        new, old = (other, self._present) if other is self._prepared else (self._present, other)
        if {(new.sha256, old.sha256), (old.sha256, new.sha256)} - known:
            self.due.append(
                CrossCertify(new.sha256, old.sha256, f"so that clients need only one of them: {new.subject}")
            )

    def _why_retired(self, root: RootRecord) -> str:
        if root.not_after <= self._now:
            return "it has ended"
        if root.retires_at is not None:
            return f"that was to be on {root.retires_at:%Y-%m-%d}" if self._is_due(root.retires_at) else ""
        ends = [end for _, end in depending_in(self._state, root.sha256, self._bindings, self._now)]
        at = max([*ends, (root.replaced_at or self._now) + STAYS])
        return "nothing that it has signed is left" if self._is_due(at) else ""

    def _is_due(self, at: datetime) -> bool:
        if at > self._now:
            self.instants.append(at)
        return at <= self._now


def _why_prepared(present: RootRecord, now: datetime) -> str:
    if present.not_after <= now:
        return f"the root ended on {present.not_after:%Y-%m-%d}"
    return f"the root ends on {present.not_after:%Y-%m-%d}"
