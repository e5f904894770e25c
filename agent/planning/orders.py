"""Orders that are due: which source is asked for what. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from itertools import groupby

from agent.contract.source import Due, RequestState
from agent.errors.plugin import PluginError
from agent.errors.problem import Problem
from agent.model.binding import Binding
from agent.model.fitting import could_serve
from agent.model.handover import deadlines_of, ends_soon, turning_points
from agent.model.need import Need, Request
from agent.model.records import UPLOADED, ChainRecord, OrderRecord
from agent.planning.actions import Obtain
from agent.planning.evidence import state_of
from agent.planning.kept_keys import reuse_of
from agent.planning.ranking import is_refused
from agent.planning.renewal import safety_floor
from agent.planning.state import WAITING_AGAIN, State
from agent.planning.turns import Turn, turn
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
        for members in self._state.evidence.groups(need):
            if members[0].name == UPLOADED:
                served = (*served, *self._uploads(need)[:1])
                held = max(held, self._held_by(uploaded) if uploaded else Held.NONE)
            elif members[0].immediate and held is Held.IMMEDIATE:
                return
            else:
                made = self._made(need, members)
                served = (*served, *made[:1])
                held = max(held, self._ask(need, members, binding, made, served))
            if held is Held.ALL:
                return

    def rejoin(self) -> None:
        """Ask for names together again that were asked for apart and that the CA can validate now.

        They serve their own chains until there is one for all, so that none of them falls back meanwhile.
        """
        for _, group in groupby(self._state.evidence.ladder, key=lambda each: each.group):
            members = tuple(group)
            names = {each.name for each in members}
            apart = [each for each in self._state.evidence.failing if each.source in names]
            still = {each.name for each in apart if each.passed_at is None}
            wanted = {request for each in apart for request in each.requests}
            for request in sorted(wanted, key=lambda each: each.id):
                if not request.names & still and request.id not in self._considered:
                    self._rejoin(members, request)

    def _rejoin(self, members: Sequence[SourceHandle], request: Request) -> None:
        orders = self._state.evidence.orders_of(request.id, members)
        whose = turn(members, orders, self._now, self._now)
        self._note(request, whose, members, "all its names can be validated again")

    def _made(self, need: Need, members: Sequence[SourceHandle]) -> list[ChainRecord]:
        """Return the chains of some sources that may serve a need, the one that serves longest first."""
        names = [source.name for source in members]
        return self._lasting(need, self._state.evidence.index.made_for(names, need.request.id, self._now))

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
        members: Sequence[SourceHandle],
        binding: Binding,
        made: list[ChainRecord],
        served: tuple[ChainRecord, ...],
    ) -> Held:
        """Ask the source of a group whose turn it is, if one is due. Return which of those below it can be left alone.

        `made`: what of their chains may serve. `served`: the chains whose ends the order should come before.
        """
        states = self._serving(need, members, binding)
        newest = self._newest(need, members)
        due = self._due_at(need, members, states, newest, binding) if states else None
        if due is None:
            return Held.NONE
        stale = newest is not None and self._is_to_be_replaced(need, newest)
        orders = {each.name: asked.order for each, asked in states.items() if asked.order}
        whose = turn(tuple(states), orders, due.at, self._now, served, newest)
        forced = self._is_forced(need, orders.get(whose.source.name), newest)
        reason = due.reason + _instead_of(whose, orders)
        self._note(need.request, whose, tuple(states), reason, need, forced=forced, served=served)
        order = orders.get(whose.source.name)
        failed = order is not None and order.problem is not None
        if made:
            # A reissue that failed here goes on below: the new chain of a lower rung is kept ready.
            return Held.NONE if stale and failed else self._held_by_made(made[0], failed=failed)
        return Held.ALL if whose.source.immediate and whose.at is not None and whose.at <= self._now else Held.NONE

    def _serving(
        self, need: Need, members: Sequence[SourceHandle], binding: Binding
    ) -> dict[SourceHandle, RequestState]:
        """Return the sources that serve a need's request, each with what it may look at."""
        found: dict[SourceHandle, RequestState] = {}
        for source in members:
            asked = state_of(need, source, self._state.evidence, binding.chain, self._now)
            try:
                if source.offers(need.request, asked).serves:
                    found[source] = asked
            except PluginError as error:
                self.broken.setdefault(source.name, error.problem)
        return found

    def _newest(self, need: Need, members: Sequence[SourceHandle]) -> ChainRecord | None:
        """Return the newest good chain of a group, whichever of them has made it."""
        names = [source.name for source in members]
        return next(iter(self._state.evidence.index.made_for(names, need.request.id, self._now)), None)

    def _due_at(
        self,
        need: Need,
        members: Sequence[SourceHandle],
        serving: Mapping[SourceHandle, RequestState],
        newest: ChainRecord | None,
        binding: Binding,
    ) -> Due | None:
        """Return when a chain is to be asked for, as the source says that has made the newest; None: it fails to."""
        source = next((each for each in members if newest and each.name == newest.source), next(iter(serving)))
        asked = serving.get(source) or state_of(need, source, self._state.evidence, binding.chain, self._now)
        try:
            due = source.due(need.request, asked, self._now)
        except PluginError as error:
            self.broken.setdefault(source.name, error.problem)
            return None
        if newest is not None:
            self.renewals[newest.id] = due.at
            if self._is_to_be_replaced(need, newest):
                return Due(at=self._now, reason="a new chain was asked for")
        return due

    def _is_to_be_replaced(self, need: Need, chain: ChainRecord) -> bool:
        """Whether a person asked for another chain in place of this one, and there is none yet."""
        return chain.id in self._state.evidence.reissues.get(need.request.id, ())

    def _is_forced(self, need: Need, order: OrderRecord | None, newest: ChainRecord | None) -> bool:
        """A person insisted, there is no newer chain, and it was not tried since: the next try is one like any other."""
        if need.request.id not in self._state.evidence.forced or (order and order.problem):
            return False
        return newest is None or self._is_to_be_replaced(need, newest)

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

    def _note(
        self,
        request: Request,
        whose: Turn,
        members: Sequence[SourceHandle],
        reason: str,
        need: Need | None = None,
        *,
        forced: bool = False,
        served: tuple[ChainRecord, ...] = (),
    ) -> None:
        source, at = whose.source, whose.at
        if self._state.doubt is not None and not source.immediate:
            return
        self.instants += [each for each in whose.instants if each > self._now]
        if at is None:
            return
        key = (request.id, source.name)
        if at > self._now:
            self.instants.append(at)
        elif any((request.id, each.name) in self._state.leased for each in members):
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
                above=frozenset(self._above(source)),
                group=tuple(each.name for each in members),
                tlsa=tuple(sorted(self._owners[request.id])),
                keep_key=self._kept.get(request.id),
                deadlines=tuple(sorted(at for at in deadlines if at > self._now)),
            )

    def _above(self, source: SourceHandle) -> Iterator[str]:
        """Yield the sources before those of a source's group in the ladder."""
        for each in self._state.evidence.ladder:
            if each.group == source.group:
                return
            yield each.name


def _instead_of(whose: Turn, orders: Mapping[str, OrderRecord]) -> str:
    """Say why another source is asked than the first."""
    causes = [str((orders[each.name].problem or {}).get("cause", "")).rstrip(".") for each in whose.passed]
    return f"; {'; '.join(causes)}, so {whose.source.authority} is asked" if causes else ""
