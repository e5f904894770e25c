"""Findings that a pass notes, as no row of the store tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from agent.errors.plugin import PluginError
from agent.errors.problem import Problem
from agent.health.modes import of_repairs
from agent.model.finding import Finding, Severity, SubjectKind
from agent.registry.plugins import PluginRecord
from agent.store import Store
from agent.system.modes import Repair


def of_plugins(plugins: Iterable[PluginRecord]) -> Iterator[Finding]:
    """Yield what is wrong with the plugins that the settings enable: the first error of each kind."""
    for plugin in plugins:
        for error in plugin.errors if plugin.enabled else ():
            yield Finding(SubjectKind.PLUGIN, plugin.name, Severity.WARNING, error.problem)


def of_commands(failures: Mapping[str, PluginError]) -> Iterator[Finding]:
    """Yield the plugins whose commands are missing, as they failed to register them."""
    for name, error in failures.items():
        yield Finding(SubjectKind.PLUGIN, name, Severity.WARNING, error.problem, title=f"commands of {name}")


def of_tables(failures: Mapping[str, PluginError]) -> Iterator[Finding]:
    """Yield the tables of the settings that can't be used, as code of their plugins failed."""
    for table, error in failures.items():
        kind, _, name = table.rpartition(".")
        yield Finding(SubjectKind.PLUGIN, name, Severity.WARNING, error.problem, title=f"{kind or 'source'} {name}")


def of_sources(broken: Mapping[str, Problem]) -> Iterator[Finding]:
    """Yield the sources that raised when they were asked for a plan."""
    for name, problem in broken.items():
        yield Finding(SubjectKind.PLUGIN, name, Severity.WARNING, problem, title=f"source {name}")


def note_repairs(store: Store, repairs: Iterable[Repair], now: datetime) -> None:
    """Note which modes and owners were repaired, beside those of the last day."""
    findings = list(of_repairs(repairs, store.conditions.of("modes"), now))
    with store.write():
        store.conditions.replace("modes", findings, now)


def forget_repairs(store: Store, is_over: Callable[[Path, datetime], bool], now: datetime) -> None:
    """Forget the repairs that are about nothing any more: what others could read is no longer used."""
    before = store.conditions.of("modes")
    over = [each for each in before if each.since and each.severity is Severity.WARNING]
    over = [each for each in over if is_over(Path(each.subject), each.since or now)]
    if over:
        with store.write():
            store.conditions.replace("modes", [each for each in before if each not in over], now)
