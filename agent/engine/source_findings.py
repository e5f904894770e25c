"""Findings about sources: CAs that can't be asked or refuse the account, and chains of a CA that the settings no longer name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from agent.contract.source import Source
from agent.engine.delivery_checks import checked_text
from agent.errors.problem import Problem
from agent.health.problems import origin_changed
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.records import ChainRecord, OrderRecord

UNREACHED = frozenset(
    {
        "source.ca_unreachable",
        "source.ca_untrusted",
        "source.trust_file",
        "source.no_directory",
        "source.ca_busy",
        "source.ca_failed",
    }
)
"""Codes of failures to ask a CA at all."""
ACCOUNT = frozenset(
    {
        "source.account_refused",
        "source.account_unknown",
        "source.account_key_refused",
        "source.contact_refused",
        "source.external_account_missing",
        "source.external_account_refused",
        "source.rekey_unfinished",
        "source.terms_not_agreed",
    }
)
"""Codes of failures of the account: no order succeeds until a person does something."""
CRASHED = "source.crashed"
TRANSIENT = 2
"""Failures in a row of a CA that can't be reached, about ten minutes, before somebody should act."""


def source_findings(
    ladder: Iterable[Source], orders: Iterable[OrderRecord], bound: Iterable[ChainRecord]
) -> Iterator[Finding]:
    """Yield what is wrong with the sources of the ladder; `orders` are those that are needed, `bound` the chains in use."""
    failed: dict[str, list[OrderRecord]] = defaultdict(list)
    for order in orders:
        failed[order.source].append(order)
    chains = list(bound)
    for source in ladder:
        title = _said(source, "authority") or source.name
        yield from _of_orders(source, title, failed[source.name])
        yield from _of_origin(source, title, chains)


def _said(source: Source, attribute: str) -> str:
    """Return what a plugin's property says; nothing where it fails, which its next order tells."""
    try:
        return checked_text(getattr(source, attribute))
    except Exception:
        return ""


def _of_orders(source: Source, title: str, orders: Iterable[OrderRecord]) -> Iterator[Finding]:
    """Yield each kind of failure once, as its order says that has failed most often."""
    worst: dict[str, OrderRecord] = {}
    for order in sorted(orders, key=lambda each: (each.attempts, each.request)):
        if order.problem and order.counts_for(source.settings_digest):
            worst[str(order.problem.get("code"))] = order
    for code, order in worst.items():
        if code in UNREACHED | ACCOUNT:
            is_new = code in UNREACHED and order.attempts <= TRANSIENT and not order.permanent
            severity = Severity.NOTICE if is_new else Severity.WARNING
            yield Finding(SubjectKind.CA, source.name, severity, _problem(order.problem), title=title)
        elif code == CRASHED:
            yield Finding(SubjectKind.PLUGIN, source.name, Severity.WARNING, _problem(order.problem))


def _of_origin(source: Source, title: str, bound: Iterable[ChainRecord]) -> Iterator[Finding]:
    origin = _said(source, "origin")
    others = [each for each in bound if each.source == source.name and each.origin not in {"", origin}]
    if origin and others:
        names = sorted({each.names[0] for each in others})
        problem = origin_changed(source.name, sorted({each.origin for each in others}), origin, names)
        yield Finding(SubjectKind.CA, source.name, Severity.WARNING, problem, title=title)


def _problem(row: Mapping[str, object] | None) -> Problem:
    return Problem.from_json(dict(row or {}))
