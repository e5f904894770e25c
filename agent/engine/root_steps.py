"""Performance of the steps of roots' lives: each is stored whole or not at all, and is due again until it is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from agent.config.settings import Settings
from agent.engine.bus import Bus
from agent.engine.own_root import make_root, names_in_use
from agent.errors import AgentError
from agent.errors.root import RootMissing
from agent.model.events import Event, EventKind
from agent.model.finding import Finding
from agent.model.need import HostFacts
from agent.model.root import PUBLISHED, CrossCertificate, RootPhase
from agent.planning import (
    BeginSigning,
    BelieveAgain,
    CrossCertify,
    EndSigning,
    MakeRoot,
    PrepareRoot,
    RetireRoot,
    RootStep,
    describe,
)
from agent.planning.binding import LOCAL
from agent.planning.root_life import signing_instant, signing_instant_beside
from agent.store import Store

SCOPE = "root"
"""Of the conditions: what was found when a root was uploaded."""


def signing_date(store: Store, settings: Settings, now: datetime, *, beside: bool = False) -> datetime:
    """Return when a root that is made at `now` is to sign, as the settings say. `beside`: the main one."""
    # a root has to sign for most of its life
    overlap = timedelta(days=min(settings.root.overlap_days, settings.root.lifetime_days / 4))
    present, main = store.roots.present(beside=beside), store.roots.present()
    if main is None:
        return now
    if present is None:
        return signing_instant_beside(main, now, overlap)
    leaf_lifetime = timedelta(days=getattr(settings.rungs.get(LOCAL), "lifetime_days", 0))
    return signing_instant(present, now, overlap, leaf_lifetime)


class RootSteps:
    """Performs `RootStep`s in one pass."""

    def __init__(self, store: Store, bus: Bus, settings: Settings, host: HostFacts, now: datetime, job: str) -> None:
        self._store = store
        self._bus = bus
        self._settings = settings
        self._host = host
        self._now = now
        self._job = job

    def perform(self, actions: Iterable[RootStep]) -> list[str]:
        """Do what is due. Return lines for people."""
        performed = []
        for action in actions:
            match action:
                case MakeRoot():
                    self._make()
                case PrepareRoot():
                    self._prepare(action)
                case CrossCertify():
                    self._cross_certify(action)
                case BeginSigning():
                    self._begin(action)
                case EndSigning():
                    self._end(action)
                case RetireRoot():
                    self._retire(action)
                case BelieveAgain():
                    self._believe(action)
            performed.append(describe(action))
        return performed

    def _make(self) -> None:
        root = make_root(self._settings.root, self._host, self._now, names_in_use(self._store))
        with self._store.write():
            self._store.roots.add(root, self._now)
        self._tell(EventKind.ROOT_CREATED, f"{root.subject}, until {root.not_after:%Y-%m-%d}", root.sha256)

    def _prepare(self, action: PrepareRoot) -> None:
        taken, beside = names_in_use(self._store), action.beside
        root = make_root(self._settings.root, self._host, self._now, taken, action.key_type, beside=beside)
        at = signing_date(self._store, self._settings, self._now, beside=beside)
        with self._store.write():
            self._store.roots.prepare(root, self._now, signs_at=at, beside=beside)
        self._tell(EventKind.ROOT_PREPARED, prepared_text(root.subject, at), root.sha256)

    def _cross_certify(self, action: CrossCertify) -> None:
        """Have both certify each other. What is of no use, or can't be done, is stored as the reason."""
        pairs = (action.root, action.before), (action.before, action.root)
        made = [self._certified(*pair) for pair in pairs]
        with self._store.write():
            self._store.roots.certify(made, self._now)
        reasons = dict.fromkeys(each.obstacle for each in made if each.obstacle)
        text = f"not both ways: {'; '.join(reasons)}" if reasons else "either leads to the other"
        self._tell(EventKind.ROOTS_CERTIFIED, text, action.root)

    def _certified(self, subject: str, issuer: str) -> CrossCertificate:
        from agent.engine.cross_certification import cross_certified

        try:
            by, of = (self._store.roots.load(each) for each in (issuer, subject))
            if by is None or of is None:
                raise RootMissing
            return cross_certified(by, of)
        except AgentError as error:
            return CrossCertificate(subject, issuer, "", obstacle=error.problem.cause.rstrip("."))

    def _begin(self, action: BeginSigning) -> None:
        with self._store.write():
            store_beginning(self._store, action.root, self._now)
        self._tell(EventKind.ROOT_SIGNS, f"{action.subject}: {action.reason}", action.root)

    def _end(self, action: EndSigning) -> None:
        """Have a root sign no longer; of one that has not begun, nothing is left."""
        prepared = any(
            each.sha256 == action.root and each.phase is RootPhase.PREPARED for each in self._store.roots.all()
        )
        with self._store.write():
            (self._store.roots.give_up if prepared else self._store.roots.end)(action.root, self._now)
        kind = EventKind.ROOT_RETIRED if prepared else EventKind.ROOT_ENDED
        self._tell(kind, f"{action.subject}: {action.reason}", action.root)

    def _retire(self, action: RetireRoot) -> None:
        with self._store.write():
            self._store.roots.retire(action.root, self._now)
        self._tell(EventKind.ROOT_RETIRED, f"{action.subject}: {action.reason}", action.root)

    def _believe(self, action: BelieveAgain) -> None:
        with self._store.write():
            self._store.roots.believe(action.root)
        self._tell(EventKind.ROOT_BELIEVED, f"{action.subject}: {action.reason}", action.root)

    def _tell(self, kind: EventKind, text: str, sha256: str) -> None:
        self._bus.publish(
            self._store, Event(at=self._now, kind=kind, text=text, job=self._job, module="", detail={"sha256": sha256})
        )


def store_beginning(store: Store, root: str, now: datetime) -> None:
    """Have a prepared root sign from now on; what was found about the one before counts no longer. Call inside `Store.write`."""
    store.roots.begin(root, now)
    store.conditions.replace(SCOPE, noted_of_published(store), now)


def noted_of_published(store: Store) -> list[Finding]:
    """Return what was found of the roots that sign, or will."""
    known = {each.sha256 for each in store.roots.all() if each.phase in PUBLISHED}
    return [each for each in store.conditions.of(SCOPE) if each.subject in known]


def prepared_text(subject: str, at: datetime) -> str:
    """Return what an event says of a root that was prepared."""
    return f"{subject} was prepared, and signs from {at:%Y-%m-%d} on"
