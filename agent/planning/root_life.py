"""Steps of roots that are due: the first one, a successor in time, its signing, and the end of the one before. Pure.

A successor is prepared when a quarter of the root's life is left, signs after the overlap in which clients are given it, and
the root before it is retired when nothing that it has signed is left.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from agent.model.binding import Binding
from agent.model.pause import AHEAD
from agent.model.root import RootPhase, RootRecord, dependents, in_phase, preparation_instant
from agent.pki.key import KeyType
from agent.planning.actions import (
    BeginSigning,
    BelieveAgain,
    CrossCertify,
    EndSigning,
    MakeRoot,
    PrepareRoot,
    RetireRoot,
    RootStep,
)
from agent.planning.state import State

SIGNS_IN = {False: 8, True: 16}
"""Part of it that is left at least when the successor begins to sign."""
LEAVES = 2
"""Lifetimes of local chains that are left then, where that is less: none is cut short by the root's end."""

NEW = timedelta(hours=1)
"""A main root that is younger than this nobody knows yet: one beside it signs at once."""
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


def signing_instant_beside(present: RootRecord, now: datetime, overlap: timedelta) -> datetime:
    """Return when a root made at `now` for the other kind of keys begins to sign beside the main one."""
    return now if now - present.created_at < NEW else now + overlap


def wanted_key_type(present: RootRecord | None, wanted: Sequence[KeyType]) -> KeyType:
    """Return the key type of the next root in place of `present`: where two are wanted, the one of its own kind."""
    own = [each for each in wanted if present is not None and each.kind is present.key_type.kind]
    return own[0] if own and len(wanted) > 1 else wanted[0]


def wanted_beside(main: RootRecord | None, wanted: Sequence[KeyType]) -> KeyType | None:
    """Return the key type of the root that is wanted beside the main one; None: none is, or that one is not there yet."""
    if main is None or len(wanted) < 2:
        return None
    return next((each for each in wanted if each.kind is not main.key_type.kind), None)


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
        self._present, self._prepared = self._line(beside=False)
        self._present_beside, self._prepared_beside = self._line(beside=True)
        self.due: list[RootStep] = []
        self.instants: list[datetime] = []

    def _line(self, *, beside: bool) -> tuple[RootRecord | None, RootRecord | None]:
        roots = self._state.own_roots
        return in_phase(roots, RootPhase.SIGNING, beside=beside), in_phase(roots, RootPhase.PREPARED, beside=beside)

    def consider(self, *, wanted: bool) -> None:
        """Consider every root. `wanted`: a local chain is due, so that there has to be one."""
        self._prepared = self._unless_ended(self._prepared)
        self._prepared_beside = self._unless_ended(self._prepared_beside)
        if self._present is None and self._prepared is None:
            lacking = not self._state.evidence.signers or self._present_beside is not None
            self.due += [MakeRoot()] if wanted and lacking else []
            return
        self._consider_successor(self._present, self._prepared)
        self._consider_beside()
        self._cross_certify()
        for root in self._state.own_roots:
            if root.phase is RootPhase.REPLACED and (why := self._why_retired(root)) and not self._waits():
                self.due.append(RetireRoot(root.sha256, root.subject, why))
            elif root.phase is RootPhase.RETIRED and self._is_retired_too_early(root) and not self._waits():
                why = "it was retired while the clock was ahead"
                self.due.append(BelieveAgain(root.sha256, root.subject, why))

    def _is_retired_too_early(self, root: RootRecord) -> bool:
        """Whether the agent retired a root in what is the future now. What a person retired at once stays so."""
        if root.retired_at is None or root.replaced_at is None or root.prepared or root.not_after <= self._now:
            return False
        by_itself = root.replaced_at < root.retired_at and root.retires_at != root.retired_at
        return by_itself and self._now + AHEAD < min(root.retired_at, root.retires_at or root.retired_at)

    def _unless_ended(self, prepared: RootRecord | None) -> RootRecord | None:
        if prepared is None or prepared.not_after > self._now or (self._present and self._waits()):
            return prepared
        self.due.append(RetireRoot(prepared.sha256, prepared.subject, "it has ended"))
        return None

    def _consider_successor(self, present: RootRecord | None, prepared: RootRecord | None) -> None:
        if prepared is not None:
            if why := self._why_signing(present, prepared):
                self.due.append(BeginSigning(prepared.sha256, prepared.subject, why))
        elif present is not None and self._is_due(preparation_instant(present)):
            key_type = wanted_key_type(present, self._state.root_key_types)
            self.due.append(PrepareRoot(_why_prepared(present, self._now), key_type, present.beside))

    def _consider_beside(self) -> None:
        """Have a root for the other kind of keys beside the main one, where the settings name both."""
        if self._present is None:
            return
        other = wanted_beside(self._present, self._state.root_key_types)
        for root in (self._present_beside, self._prepared_beside):
            if root is not None and (why := self._why_ended(root, self._present)):
                self.due.append(EndSigning(root.sha256, root.subject, why))
                return
        if self._present_beside is not None or self._prepared_beside is not None:
            self._consider_successor(self._present_beside, self._prepared_beside)
        elif other is not None:
            self.due.append(PrepareRoot(f"the settings want one for {other.kind.words}", other, beside=True))

    def _why_ended(self, beside: RootRecord, main: RootRecord) -> str:
        """Where the settings want its kind alone, it signs until the main one has a successor of that kind."""
        if beside.key_type.kind is main.key_type.kind:
            return "the main root signs for such keys"
        wanted = {each.kind for each in self._state.root_key_types}
        return "" if beside.key_type.kind in wanted else "the settings want none for such keys"

    def _why_signing(self, present: RootRecord | None, prepared: RootRecord) -> str:
        at = prepared.signs_at or self._now
        before = present or (self._present if prepared.beside and at > prepared.created_at else None)
        if prepared.not_after <= self._now:
            return ""
        if before is None:
            return "the main root is as new" if prepared.beside else "no other root signs"
        if before.not_after <= self._now:
            return "the root before it has ended"
        if self._waits():
            return ""
        if present is not None and self._is_due(hand_over_instant(present)):
            return _why_prepared(present, self._now)
        return f"that was to be on {at:%Y-%m-%d}" if self._is_due(at) else ""

    def _cross_certify(self) -> None:
        """Have the root that signs and the other one that is believed certified by each other, and those of both kinds."""
        beside = self._present_beside or self._prepared_beside
        self._certify(self._present, self._prepared)
        self._certify(self._present_beside, self._prepared_beside)
        if self._present is not None and beside is not None:
            self._certify_pair(beside, self._present, "each for keys of its own kind")

    def _certify(self, present: RootRecord | None, prepared: RootRecord | None) -> None:
        before = in_phase(self._state.own_roots, RootPhase.REPLACED, beside=present.beside) if present else None
        other = prepared or before
        if present is not None and other is not None:
            self._certify_pair(*((other, present) if other is prepared else (present, other)))

    def _certify_pair(self, new: RootRecord, old: RootRecord, what: str = "") -> None:
        known = {(each.subject, each.issuer) for each in self._state.crosses}
        if max(new.not_after, old.not_after) <= self._now:
            return
        if {(new.sha256, old.sha256), (old.sha256, new.sha256)} - known:
            about = f"{new.subject}, {what}" if what else new.subject
            self.due.append(CrossCertify(new.sha256, old.sha256, f"so that clients need only one of them: {about}"))

    def _why_retired(self, root: RootRecord) -> str:
        if root.not_after <= self._now:
            return "it has ended"
        if root.retires_at is not None:
            return f"that was to be on {root.retires_at:%Y-%m-%d}" if self._is_due(root.retires_at) else ""
        ends = [end for _, end in depending_in(self._state, root.sha256, self._bindings, self._now)]
        at = max([*ends, (root.replaced_at or self._now) + STAYS])
        return "nothing that it has signed is left" if self._is_due(at) else ""

    def _waits(self) -> bool:
        """Whether what can't be undone has to wait for the clock. Nothing is lost meanwhile: both roots are believed."""
        at = self._state.irrevocable_from
        return self._state.doubt is not None or (at is not None and not self._is_due(at))

    def _is_due(self, at: datetime) -> bool:
        if at > self._now:
            self.instants.append(at)
        return at <= self._now


def _why_prepared(present: RootRecord, now: datetime) -> str:
    if present.not_after <= now:
        return f"the root ended on {present.not_after:%Y-%m-%d}"
    return f"the root ends on {present.not_after:%Y-%m-%d}"
