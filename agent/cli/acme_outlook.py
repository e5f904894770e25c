"""What ``chainwright acme check`` shows: the ways to prove names, and why the last orders for them have failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from agent.cli.output import columns
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.cli.commands import Invocation
    from agent.sources.acme.challenges.check import Check, Way


SEEN_BEFORE = frozenset(
    f"source.{each}"
    for each in (
        *("preflight", "nothing_proves", "answered_by_another", "port_forbidden", "port_unusable"),
        *("dns_no_solver", "dns_zone_unknown", "external_account_missing", "terms_not_agreed"),
    )
)
"""Codes of what is looked at again by the check itself."""


def way_row(each: Way) -> dict[str, Any]:
    """Return a method of a name, and what is missing for it."""
    missing = {"why": each.obstacle.why, "fix": each.obstacle.fix} if each.obstacle else {}
    how = {"if": each.how} if each.how else {}
    return {"name": each.name, "method": each.method, "works": not missing, **how, **missing}


def table_of_ways(seen: Check) -> list[str]:
    """Return per name the methods in the order in which they are tried."""
    rows = [row for each in seen.ways for row in _rows_of_way(each)]
    return columns([["NAME", "METHOD", "OUTLOOK"], *rows]) if rows else []


def _rows_of_way(each: Way) -> list[list[str]]:
    if each.obstacle is None:
        return [[each.name, each.method, "works" + (f", if {each.how}" if each.how else "")]]
    cure = [["", "", each.obstacle.fix]] if each.obstacle.fix else []
    return [[each.name, each.method, each.obstacle.why], *cure]


def failed_before(invocation: Invocation, source: str, names: Sequence[str]) -> Iterator[str]:
    """Yield why orders for some of `names` failed at a source when they were tried last, if that isn't seen beforehand anyway."""
    from agent.errors.problem import Problem
    from agent.store import Store

    with Store.open_read_only(invocation.layout) as store:
        requests = {need.request.id: need.request for need in store.modules.needs()}
        failed = [each for each in store.orders.records() if each.problem and each.source == source]
    for each in failed:
        request = requests.get(each.request)
        if each.problem and request and not request.names.isdisjoint(names):
            problem = Problem.from_json(dict(each.problem))
            if problem.code in SEEN_BEFORE or problem.code.startswith("source.persist_"):
                continue
            tried_at = f" ({when(each.tried_at, invocation.now())})" if each.tried_at else ""
            yield f"failed  the last order{tried_at}: {problem.cause}"
            yield f"        {problem.fix}"
