"""Findings about host names that modules need addresses of and that don't resolve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.errors.problem import Problem, rfc3339
from agent.errors.wording import few, quoted
from agent.health.snapshot import Snapshot
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.resolved import ResolvedName

A_WHILE = timedelta(minutes=10)
"""A name that doesn't resolve for less is no reason to act while its last addresses are used."""


@dataclass(frozen=True, slots=True)
class Names:
    """Findings about names, and when time alone changes them next."""

    findings: tuple[Finding, ...]
    changes_at: datetime | None


def names(snapshot: Snapshot, now: datetime) -> Names:
    """Return what is not well with names: for each module those without an address, and those with their last ones."""
    enabled = {each.name for each in snapshot.modules if each.enabled}
    failing = [each for each in snapshot.names if each.failing_since and each.module in enabled]
    found = [finding for module in enabled for finding in _of_module(module, failing, now)]
    instants = [each.failing_since + A_WHILE for each in failing if each.failing_since and each.addresses]
    return Names(tuple(found), min((at for at in instants if at > now), default=None))


def _of_module(module: str, failing: Sequence[ResolvedName], now: datetime) -> Iterator[Finding]:
    mine = [each for each in failing if each.module == module]
    unknown = [each for each in mine if not each.addresses]
    if unknown:
        yield Finding(SubjectKind.MODULE, module, Severity.ERROR, unresolved(module, unknown), _since(unknown))
    kept = [each for each in mine if each.addresses]
    if kept:
        since = _since(kept)
        severity = Severity.WARNING if since + A_WHILE <= now else Severity.NOTICE
        yield Finding(SubjectKind.MODULE, module, severity, resolved_before(module, kept), since)


def _since(failing: Sequence[ResolvedName]) -> datetime:
    return min(each.failing_since or each.asked_at for each in failing)


def unresolved(module: str, failing: Sequence[ResolvedName]) -> Problem:
    """Say that names never resolved: what is behind them can't be reached."""
    cause = f"No address is known of {_listed(failing)}: {_words(failing)}."
    effect = "What is behind it can't be reached; everything else is served."
    return _problem("status.name_unresolved", cause, module, failing, effect)


def resolved_before(module: str, failing: Sequence[ResolvedName]) -> Problem:
    """Say that names don't resolve any more, and what is used of them."""
    cause = f"The lookup of {_listed(failing)} fails since {rfc3339(_since(failing))}: {_words(failing)}."
    first = failing[0]
    effect = f"The last known addresses are used, of {first.name}: {few(first.addresses)}."
    return _problem("status.name_lookup_failing", cause, module, failing, effect)


def _problem(code: str, cause: str, module: str, failing: Sequence[ResolvedName], effect: str) -> Problem:
    seconds = max(each.seconds for each in failing)
    fix = (
        f"Correct the name in the settings, or see why it does not resolve here: getent ahosts {failing[0].name}. "
        f"It is looked up every {seconds} s."
    )
    detail = "\n".join(f"{each.name}: {each.words}" for each in failing) if len(failing) > 1 else ""
    return Problem(code, cause, f"[modules.{module}]", fix, effect, detail=detail)


def _listed(failing: Sequence[ResolvedName]) -> str:
    return few([each.name for each in failing])


def _words(failing: Sequence[ResolvedName]) -> str:
    return f"the resolver says {quoted(failing[0].words)}"
