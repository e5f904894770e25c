"""The appliance's state while the lock is held: what a change is checked against and made to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from agent.auth.audit_log import AuditLog
from agent.auth.person import Actor
from agent.contract.source import ChainRecord
from agent.engine.engine import Engine
from agent.engine.pass_inputs import declare, read_pass_inputs, state_of
from agent.engine.recovering import finish_restore, note_restore
from agent.errors.usage import UnknownChain
from agent.model.binding import Binding
from agent.model.events import Event, EventKind
from agent.model.need import Need
from agent.model.pin import Pin
from agent.operations.effects import Switch
from agent.planning.binding import bind
from agent.planning.comparison import Outranked, outranked
from agent.planning.evidence import Evidence
from agent.store import Store
from agent.system.lock import held


class LockedState:
    """Store, settings, needs and chains under the lock. The next pass deploys what a change leads to.

    `actor`: who makes changes, for the audit record; None: somebody who is in it already, or the agent itself.
    """

    def __init__(self, store: Store, engine: Engine, actor: Actor | None = None) -> None:
        self.store = store
        self.engine = engine
        self.actor = actor
        self.now = engine.clock()
        self.inputs = read_pass_inputs(engine.layout, store, engine.host, engine.loader)
        engine.watch(self.inputs)
        self.needs = declare(self.inputs, store).needs
        self._evidence = state_of(self.inputs, store, self.now).evidence

    @cached_property
    def pins(self) -> tuple[Pin, ...]:
        """The pins that a person has set."""
        return tuple(self.store.pins.all())

    @contextmanager
    def change(self, action: str, subject: str, detail: str = "", *, events: Iterable[Event] = ()) -> Iterator[None]:
        """Make a change in one durable transaction, with its row of the audit record and its events."""
        bus = self.engine.bus
        with self.store.write():
            yield
            AuditLog(self.store).note(self.actor, self.now, action, subject, detail)
            known = bus.record(self.store, events)
        bus.show(known)

    def event(self, kind: EventKind, text: str, module: str = "", **detail: object) -> Event:
        """Return an event of a change."""
        return Event(at=self.now, kind=kind, text=text, job=self.engine.job, module=module, detail=detail)

    @property
    def chains(self) -> tuple[ChainRecord, ...]:
        """Every chain in the store."""
        return self._evidence.chains

    def count_in(self, record: ChainRecord) -> None:
        """Have a chain among `chains` from now on: it was stored, or what follows is to be told as if it were."""
        self._evidence = replace(self._evidence, chains=(*self.chains, record))

    def record(self, chain: str | None) -> ChainRecord | None:
        """Return what is known of a chain."""
        return next((each for each in self.chains if each.id == chain), None)

    def known(self, chain: str) -> ChainRecord:
        """Return what is known of a chain by its whole id. Raises `UnknownChain`."""
        found = self.record(chain)
        if found is None:
            raise UnknownChain(chain, ())
        return found

    def bindings(self, chains: Iterable[ChainRecord] | None = None) -> list[Binding]:
        """Return which need is bound to what, or would be if just `chains` were there."""
        evidence = self._evidence if chains is None else replace(self._evidence, chains=tuple(chains))
        return bind(self.needs, evidence, self.now)

    def outranked(
        self, record: ChainRecord, chains: Iterable[ChainRecord], pins: Iterable[Pin] | None = None
    ) -> list[Outranked]:
        """Return which needs an uploaded chain could serve and would not, if just `chains` and `pins` were there."""
        evidence = self._if(chains, pins)
        return outranked(record, self.needs, bind(self.needs, evidence, self.now), evidence, self.now)

    def switches(self, chains: Iterable[ChainRecord] | None = None, pins: Iterable[Pin] | None = None) -> list[Switch]:
        """Return which needs would get another chain if just `chains`, or `pins`, were there. None: those that are."""
        before = {binding.key: binding.chain for binding in self.bindings()}
        return [
            Switch(after.module, after.slot, before[after.key], after.chain, after.reason)
            for after in bind(self.needs, self._if(chains, pins), self.now)
            if after.chain != before[after.key]
        ]

    def _if(self, chains: Iterable[ChainRecord] | None, pins: Iterable[Pin] | None) -> Evidence:
        found = self._evidence if chains is None else replace(self._evidence, chains=tuple(chains))
        return found if pins is None else replace(found, pins={each.key: each.chain for each in pins})

    def rungs(self, need: Need) -> list[str]:
        """Return the names of the sources that may serve a need, in the order of the ladder."""
        return [source.name for source in self._evidence.rungs(need)]

    def without(self, chain: str) -> list[Switch]:
        """Return which needs would get another chain if one were gone."""
        return self.switches(each for each in self.chains if each.id != chain)


@contextmanager
def locked_state(engine: Engine, wait: float = 60.0, actor: Actor | None = None) -> Iterator[LockedState]:
    """Hold the lock for one change of `actor`. Raises `LockHeld` when another process has it for over `wait` seconds."""
    with held(engine.layout.lock, wait=wait):
        taken_back = finish_restore(engine.layout)
        with Store.open(engine.layout) as store:
            note_restore(store, taken_back, engine.clock(), engine.bus)
            yield LockedState(store, engine, actor)


@contextmanager
def looking_state(engine: Engine) -> Iterator[LockedState]:
    """Give the state for a look, in one consistent state of the store: it takes no lock, and nothing can be changed through it.

    Who may only look must not hold a lock that changes and passes wait for.
    """
    with Store.open_read_only(engine.layout) as store:
        yield LockedState(store, engine)
