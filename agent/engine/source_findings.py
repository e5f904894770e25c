"""Findings about sources: unusable files, CAs that can't be asked or refuse the account, chains of a CA no longer named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agent.engine.delivery_checks import checked_text
from agent.errors.account import RekeyUnfinished
from agent.errors.plugin import PluginError
from agent.errors.problem import Problem
from agent.errors.source import SourceError
from agent.health.problems import origin_changed
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.records import ChainRecord, OrderRecord
from agent.registry.sources import SourceHandle

UNREACHED = frozenset(
    {
        "source.ca_unreachable",
        "source.ca_untrusted",
        "source.no_directory",
        "source.ca_busy",
        "source.ca_failed",
    }
)
"""Codes of failures to ask a CA at all; `source.trust_file` is not among them, since each pass looks at the file itself."""
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
UNFINISHED = "source.order_unfinished"
CRASHED = "source.crashed"
TRANSIENT = 2
"""Failures in a row of a CA that can't be reached, about ten minutes, before somebody should act."""


def source_findings(
    ladder: Iterable[SourceHandle],
    orders: Iterable[OrderRecord],
    bound: Iterable[ChainRecord],
    rooted: Callable[[str], Path],
    behind: Container[str] = (),
) -> Iterator[Finding]:
    """Yield what is wrong with the sources of the ladder; `orders` are those that are needed, `bound` the chains in use.

    `rooted` returns a path of the settings below ``--root``. `behind`: sources whose CA knows the account by another key.
    """
    failed: dict[str, list[OrderRecord]] = defaultdict(list)
    for order in orders:
        failed[order.source].append(order)
    chains = list(bound)
    for source in ladder:
        title = _title(source)
        yield from _of_files(source, title, rooted)
        yield from _of_orders(source, title, failed[source.name], is_behind=source.name in behind)
        yield from _of_origin(source, title, chains)
        for error in source.failures.values():
            yield Finding(SubjectKind.PLUGIN, source.name, Severity.WARNING, replace(error.problem, effect=""))


def named_files(ladder: Iterable[SourceHandle], rooted: Callable[[str], Path]) -> Iterator[Path]:
    """Yield the files of the settings that the sources read at an order; none of one that fails to tell."""
    for source in ladder:
        yield from (rooted(path) for path in source.named_files)


def with_unanswered(
    ladder: Iterable[SourceHandle], found: Iterable[Finding], before: Iterable[Finding], asked: Container[str]
) -> Iterator[Finding]:
    """Yield findings, and those of `before` about CAs that could not be asked and have not answered since.

    `asked`: the sources that are asked at this moment, for which the failures of before may be forgotten. A CA that fails in
    another way than before has been out of reach since the first.
    """
    titles = {source.name: _title(source) for source in ladder}
    last = {each.subject: each for each in before if _is_unreached(each) and each.title == titles.get(each.subject)}
    told = set()
    for each in found:
        earlier = last.get(each.subject) if _is_unreached(each) else None
        told |= {each.subject} if _is_unreached(each) else set()
        yield replace(each, since=earlier.since) if earlier else each
    yield from (each for name, each in last.items() if name in asked and name not in told)


def _is_unreached(finding: Finding) -> bool:
    return finding.kind is SubjectKind.CA and finding.problem.code in UNREACHED


def _title(source: SourceHandle) -> str:
    return checked_text(source.authority) or source.name


def _of_files(source: SourceHandle, title: str, rooted: Callable[[str], Path]) -> Iterator[Finding]:
    """Yield what is wrong with the files that the settings name, long before an order needs them."""
    try:
        source.check_files(rooted)
    except SourceError as error:
        yield Finding(SubjectKind.CA, source.name, Severity.WARNING, error.problem, title=title)
    except PluginError as error:
        yield Finding(SubjectKind.PLUGIN, source.name, Severity.WARNING, replace(error.problem, effect=""))


def _of_orders(
    source: SourceHandle, title: str, orders: Iterable[OrderRecord], *, is_behind: bool
) -> Iterator[Finding]:
    """Yield each kind of failure once, as its order says that has failed most often; some are only noted while they are new.

    An account that is known by another key is told before an order fails by it.
    """
    worst: dict[str, OrderRecord] = {}
    for order in sorted(orders, key=lambda each: (each.attempts, each.request)):
        if order.problem and order.counts_for(source.settings_digest):
            worst[str(order.problem.get("code"))] = order
    if is_behind and RekeyUnfinished.code not in worst:
        problem = RekeyUnfinished(title).problem
        problem = replace(problem, fix=source.of_its_table(problem.fix))
        yield Finding(SubjectKind.CA, source.name, Severity.WARNING, problem, title=title)
    for code, order in worst.items():
        if code in UNREACHED | ACCOUNT | {UNFINISHED}:
            is_new = code not in ACCOUNT and order.attempts <= TRANSIENT and not order.permanent
            severity = Severity.NOTICE if is_new else Severity.WARNING
            yield Finding(SubjectKind.CA, source.name, severity, _problem(order.problem), title=title)
        elif code == CRASHED:
            yield Finding(SubjectKind.PLUGIN, source.name, Severity.WARNING, _problem(order.problem))


def _of_origin(source: SourceHandle, title: str, bound: Iterable[ChainRecord]) -> Iterator[Finding]:
    origin = checked_text(source.origin)
    others = [each for each in bound if each.source == source.name and each.origin not in {"", origin}]
    if origin and others:
        names = sorted({each.names[0] for each in others})
        problem = origin_changed(source.name, sorted({each.origin for each in others}), origin, names)
        yield Finding(SubjectKind.CA, source.name, Severity.WARNING, problem, title=title)


def _problem(row: Mapping[str, object] | None) -> Problem:
    return Problem.from_json(dict(row or {}))
