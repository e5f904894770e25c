"""Orders that are due: which source is asked for what. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import IntEnum

from agent.contract.source import Due, RequestState
from agent.errors.plugin import PluginError
from agent.errors.problem import Problem
from agent.model.binding import Binding
from agent.model.fitting import could_serve
from agent.model.handover import deadlines_of, ends_soon, turning_points
from agent.model.need import Need, Request
from agent.model.records import UPLOADED, ChainRecord, OrderRecord
from agent.planning.actions import Obtain
from agent.planning.binding import is_refused, state_of
from agent.planning.kept_keys import reuse_of
from agent.planning.renewal import safety_floor
from agent.planning.state import WAITING_AGAIN, State
from agent.registry.sources import SourceHandle


class Held(IntEnum):
    """Rungs that are left alone because a rung above them serves."""

    NONE = 0
    """It has nothing, or what ends soon: the next rung's chain is to serve at once."""
    IMMEDIATE = 1
    """It serves, and may not go on: rungs that take their time are asked, those that need no network are not yet."""
    ALL = 2


class Orders:
    """Walks the ladder for each need and gathers what is to be asked of whom, once for each request."""

    def __init__(self, state: State, now: datetime, needs: Sequence[Need] = ()) -> None:
        """`needs`: all, as those that share a request share its key."""
        self._state = state
        self._now = now
        self._names = [source.name for source in state.evidence.ladder]
        self._kept = {request.id: keep for request, keep in reuse_of(needs).items()}
        self._owners: dict[str, set[str]] = defaultdict(set)
        """Id of a request -> names of the TLSA records that its chain is judged by."""
        for need in needs if state.asks_dns else ():
            self._owners[need.request.id] |= {*need.tlsa}
        self._due: dict[tuple[str, str], Obtain] = {}
        self._considered: set[str] = set()
        self.instants: list[datetime] = []
        self.renewals: dict[str, datetime] = {}
        self.broken: dict[str, Problem] = {}
        """Source -> what it raised first: it is passed over."""

    @property
    def due(self) -> list[Obtain]:
        """What is to be asked now."""
        return list(self._due.values())

    def consider(self, need: Need, binding: Binding) -> None:
        """Walk down to the first rung that serves or will serve, asking those above it that are due."""
        self._considered.add(need.request.id)
        bound = self._state.evidence.index.get(binding.chain)
        uploaded = bound if bound is not None and bound.source == UPLOADED else None
        held = Held.NONE
        served: tuple[ChainRecord, ...] = ()
        for source in self._state.evidence.rungs(need):
            if source.name == UPLOADED:
                served = (*served, *self._uploads(need)[:1])
                held = max(held, self._held_by(uploaded) if uploaded else Held.NONE)
            elif source.immediate and held is Held.IMMEDIATE:
                return
            else:
                made = self._made(need, source)
                served = (*served, *made[:1])
                held = max(held, self._ask(need, source, binding, made, served))
            if held is Held.ALL:
                return

    def rejoin(self) -> None:
        """Ask for names together again that were asked for apart and that the CA can validate now.

        They serve their own chains until there is one for all, so that none of them falls back meanwhile.
        """
        apart = self._state.evidence.failing
        for source in self._state.evidence.ladder:
            still = {each.name for each in apart if each.source == source.name and each.passed_at is None}
            wanted = {request for each in apart if each.source == source.name for request in each.requests}
            for request in sorted(wanted, key=lambda each: each.id):
                if not request.names & still and request.id not in self._considered:
                    self._rejoin(source, request)

    def _rejoin(self, source: SourceHandle, request: Request) -> None:
        order = self._state.evidence.orders.get((request.id, source.name))
        at = self._no_earlier(source, order, self._now)
        self._note(request, source, at, "all its names can be validated again")

    def _made(self, need: Need, source: SourceHandle) -> list[ChainRecord]:
        """Return the chains of a source that may serve a need, the one that serves longest first."""
        return self._lasting(need, self._state.evidence.index.made_for(source.name, need.request.id, self._now))

    def _uploads(self, need: Need) -> list[ChainRecord]:
        return self._lasting(
            need, (each for each in self._state.evidence.index.uploaded if could_serve(need, each, self._now))
        )

    def _lasting(self, need: Need, records: Iterable[ChainRecord]) -> list[ChainRecord]:
        taken = [record for record in records if not is_refused(need, record, self._state.evidence)]
        return sorted(taken, key=lambda record: record.not_after, reverse=True)

    def _ask(
        self,
        need: Need,
        source: SourceHandle,
        binding: Binding,
        made: list[ChainRecord],
        served: tuple[ChainRecord, ...],
    ) -> Held:
        """Ask a source that is due. Return which of those below it can be left alone.

        `made`: what of its chains may serve. `served`: the chains whose ends the order should come before.
        """
        asked = state_of(need, source, self._state.evidence, binding.chain, self._now)
        try:
            if not source.offers(need.request, asked).serves:
                return Held.NONE
            due = source.due(need.request, asked, self._now)
        except PluginError as error:
            self.broken.setdefault(source.name, error.problem)
            return Held.NONE
        if asked.chain is not None:
            self.renewals[asked.chain.id] = due.at
        stale = asked.chain is not None and self._is_to_be_replaced(need, asked.chain)
        if stale:
            due = Due(at=self._now, reason="a new chain was asked for")
        at = self._no_earlier(source, asked.order, due.at)
        self._note(need.request, source, at, due.reason, need, forced=self._is_forced(need, asked), served=served)
        failed = asked.order is not None and asked.order.problem is not None
        if made:
            # A reissue that failed here goes on below: the new chain of a lower rung is kept ready.
            return Held.NONE if stale and failed else self._held_by_made(made[0], failed=failed)
        return Held.ALL if source.immediate and at is not None and at <= self._now else Held.NONE

    def _is_to_be_replaced(self, need: Need, chain: ChainRecord) -> bool:
        """Whether a person asked for another chain in place of this one, and there is none yet."""
        return chain.id in self._state.evidence.reissues.get(need.request.id, ())

    def _is_forced(self, need: Need, asked: RequestState) -> bool:
        """A person insisted, there is no newer chain, and it was not tried since: the next try is one like any other."""
        if need.request.id not in self._state.evidence.forced or (asked.order and asked.order.problem):
            return False
        return asked.chain is None or self._is_to_be_replaced(need, asked.chain)

    def _held_by(self, upload: ChainRecord) -> Held:
        """Nothing renews an upload: in its last third rungs that take their time are asked."""
        third = upload.not_after - (upload.not_after - upload.not_before) / 3
        return self._held_until(upload, third)

    def _held_by_made(self, record: ChainRecord, *, failed: bool) -> Held:
        """A chain whose renewal fails, and can't be put off any more, is no better than an upload that ends."""
        return self._held_until(record, safety_floor(record.not_before, record.not_after) if failed else None)

    def _held_until(self, record: ChainRecord, doubtful: datetime | None) -> Held:
        """Return what a chain holds; from `doubtful` on the rungs below that take their time are asked."""
        points = [at for at in (doubtful, *turning_points(record)) if at is not None]
        self.instants += [at for at in points if at > self._now]
        if ends_soon(record, self._now):
            return Held.NONE
        return Held.ALL if doubtful is None or self._now < doubtful else Held.IMMEDIATE

    def _no_earlier(self, source: SourceHandle, order: OrderRecord | None, at: datetime) -> datetime | None:
        """Hold back after a failure, unless the source's settings have changed since."""
        if order is None or order.problem is None or not order.counts_for(source.settings_digest):
            return at
        if order.permanent or order.retry_at is None:
            return None
        return max(at, order.retry_at) if order.pause.holds(self._now) else at

    def _note(
        self,
        request: Request,
        source: SourceHandle,
        at: datetime | None,
        reason: str,
        need: Need | None = None,
        *,
        forced: bool = False,
        served: tuple[ChainRecord, ...] = (),
    ) -> None:
        if at is None or (self._state.doubt is not None and not source.immediate):
            return
        key = (request.id, source.name)
        if at > self._now:
            self.instants.append(at)
        elif key in self._state.leased:
            self.instants.append(self._now + WAITING_AGAIN)
        else:
            known = self._due.get(key)
            waiting = (*(known.needs if known else ()), *((need.key,) if need else ()))
            deadlines = {*(known.deadlines if known else ()), *(at for each in served for at in deadlines_of(each))}
            self._due[key] = Obtain(
                source.name,
                request,
                waiting,
                reason,
                source.immediate,
                forced,
                above=frozenset(self._names[: self._names.index(source.name)]),
                tlsa=tuple(sorted(self._owners[request.id])),
                keep_key=self._kept.get(request.id),
                deadlines=tuple(sorted(at for at in deadlines if at > self._now)),
            )
