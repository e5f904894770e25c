"""The first axis of a chain's status: the certificate and its renewal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from agent.errors.problem import Problem
from agent.health import problems
from agent.health.handover import should_have_handed_over
from agent.health.snapshot import Progress, Snapshot
from agent.health.states import Status
from agent.model.binding import Binding, LadderPosition
from agent.model.handover import ends_soon
from agent.model.records import ChainRecord, OrderRecord

GRACE = 0.05
"""Part of its lifetime that a chain may be late with its renewal."""
Label = tuple[Status, Problem | None]


class Certificates:
    """Labels of the chains as such, wherever they are served."""

    def __init__(self, snapshot: Snapshot, now: datetime) -> None:
        self._snapshot = snapshot
        self._now = now
        self._requests = {need.key: need.request.id for need in snapshot.needs}
        self._sources = {record.id: record.source for record in snapshot.chains}
        self._busy = {request for request, _source in snapshot.leased}
        self._orders: dict[str, list[OrderRecord]] = defaultdict(list)
        self._made: dict[str, list[ChainRecord]] = defaultdict(list)
        for chain in snapshot.chains:
            self._made[chain.request or ""].append(chain)
        for order in snapshot.orders:
            if order.problem is not None:
                self._orders[order.request].append(order)

    def labels(self, record: ChainRecord, bindings: Sequence[Binding], instead_of: Sequence[str]) -> list[Label]:
        """Return the label of a chain for each need that is bound to it, and as a stand-in for the chains `instead_of`."""
        if self._now >= record.not_after:
            return [(Status.EXPIRED, problems.expired(record.not_after))]
        if record.revoked_at is not None:
            return [(Status.FAILED, problems.revoked(record.revoked_at))]
        others = {self._sources.get(chain, record.source) for chain in instead_of} - {record.source}
        standing_in = (Status.LOCAL_FALLBACK if others and record.root is not None else Status.VALID, None)
        return [*(self._label(record, binding) for binding in bindings), standing_in]

    def failure_of(self, need: tuple[str, str]) -> Problem | None:
        """Return why a source could not deliver for a need that has no chain."""
        orders = self._orders[self._requests.get(need, "")]
        return problems.problem_of(_worst(orders))

    def next_action(
        self, record: ChainRecord, bindings: Sequence[Binding], retries: Sequence[datetime]
    ) -> datetime | None:
        """Return when a chain is renewed, or what failed is tried again; None: nothing is planned."""
        renewal = self._snapshot.renewals.get(record.id)
        tries = [order.retry_at for binding in bindings for order in self._failures(record, binding) if order.retry_at]
        instants = [*tries, *retries, *([renewal] if renewal and bindings else [])]
        return min((at for at in instants if at > self._now), default=None)

    def progress(self, bindings: Sequence[Binding]) -> Progress | None:
        """Return how far the first source is that is asked for one of these needs."""
        requests = {self._requests.get(binding.key) for binding in bindings}
        found = [each for (request, _), each in self._snapshot.progress.items() if request in requests]
        return min(found, key=lambda each: each.since, default=None)

    def _label(self, record: ChainRecord, binding: Binding) -> Label:
        failure, request = _worst(self._failures(record, binding)), self._requests.get(binding.key, "")
        known = sorted(self._orders[request], key=_gravity)
        if should_have_handed_over(self._snapshot, record, self._now) and (known or request not in self._busy):
            return Status.ENDING, problems.ends_soon(record, known)
        if request in self._busy:
            return Status.ISSUING, None
        problem = problems.meanwhile(failure, record, self._gave_way(record, request))
        if failure is not None and failure.permanent:
            return Status.FAILED, problem
        if binding.standing is LadderPosition.FALLBACK:
            return Status.LOCAL_FALLBACK, problem
        renewal = self._snapshot.renewals.get(record.id)
        if renewal is not None and self._now > renewal + GRACE * (record.not_after - record.not_before):
            return Status.OVERDUE, problems.overdue(renewal, failure)
        by_design = binding.standing is LadderPosition.BY_DESIGN
        return (Status.LOCAL_BY_DESIGN if by_design else Status.VALID), problem

    def _gave_way(self, record: ChainRecord, request: str) -> ChainRecord | None:
        """Return the chain of another source that serves no longer because it ends soon."""
        made = self._made[request] if record.root is not None else []
        found = [each for each in made if each.source != record.source and each.good(self._now)]
        return next((each for each in found if ends_soon(each, self._now)), None)

    def _failures(self, record: ChainRecord, binding: Binding) -> list[OrderRecord]:
        """Return failed orders that matter: of higher sources for a fallback, else of the chain's own and its like."""
        fallback = binding.standing is LadderPosition.FALLBACK
        orders = self._orders[self._requests.get(binding.key, "")]
        return [order for order in orders if self._is_of_its_maker(order, record) != fallback]

    def _is_of_its_maker(self, order: OrderRecord, record: ChainRecord) -> bool:
        """Whether it was the source of a chain that failed; once it is due, those that stand in for it count as well."""
        if order.source == record.source:
            return True
        groups, renewal = self._snapshot.groups, self._snapshot.renewals.get(record.id)
        group = groups.get(record.source)
        return group is not None and groups.get(order.source) == group and renewal is not None and self._now >= renewal


def _worst(orders: Sequence[OrderRecord]) -> OrderRecord | None:
    """Return the failure that a person should see first."""
    return min(orders, key=_gravity, default=None)


def _gravity(order: OrderRecord) -> tuple[bool, str]:
    return not order.permanent, order.source
