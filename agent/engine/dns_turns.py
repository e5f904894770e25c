"""Turns of orders that need the same record where a solver keeps few values of it: the values of one would push out another's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent.dns.solver_context import SolverContext
from agent.engine.write_queue import Writer
from agent.errors.source import OrderCancelled
from agent.model.dns_record import DnsRecord
from agent.store import Store

PAUSE = 1.0
"""Seconds after which it is looked again whether other orders have ended."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A record that holds no further values now."""

    row: DnsRecord
    """What is to be made."""
    most: int
    other: DnsRecord
    """A value of another order that is being worked at, by this process or another one."""


def keep_in_turn(
    rows: Sequence[DnsRecord], most: Mapping[str, int | None], writer: Writer, context: SolverContext, seconds: float
) -> Taken | None:
    """Keep rows once their records have room for them; return what has none after `seconds`. Raises `OrderCancelled`.

    `most`: values of a record by table. All rows are kept at once or none, so that no two orders wait for each other.
    """
    deadline, is_told = time.monotonic() + seconds, False
    while (taken := writer.write(_keeping(rows, most, context))) is not None and time.monotonic() < deadline:
        if not is_told:
            context.progress(f"waiting until another order, at {taken.other.source}, needs {taken.row.name} no longer")
        is_told = True
        context.wait(min(PAUSE, deadline - time.monotonic()))
        if context.cancelled:
            raise OrderCancelled(taken.row.source)
    return taken


def _keeping(
    rows: Sequence[DnsRecord], most: Mapping[str, int | None], context: SolverContext
) -> Callable[[Store], Taken | None]:
    def keep(store: Store) -> Taken | None:
        taken = _taken(rows, most, store, context) if any(most.values()) else None
        if taken is None:
            store.dns_records.put(rows)
        return taken

    return keep


def _taken(
    rows: Sequence[DnsRecord], most: Mapping[str, int | None], store: Store, context: SolverContext
) -> Taken | None:
    leased = store.orders.leased(context.now())
    others = [each for each in store.dns_records.all() if each.order in leased and each.order != rows[0].order]
    for row in rows:
        limit, there = most[row.solver], [each for each in others if each.name == row.name]
        values = {each.value for each in [*rows, *there] if each.name == row.name}
        if limit and there and len(values) > limit:
            return Taken(row, limit, there[0])
    return None
