"""Findings that a pass notes, as no row of the store tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from agent.errors.plugin import PluginError
from agent.errors.problem import Problem
from agent.health.modes import of_repairs
from agent.health.problems import many_needs
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.need import Need
from agent.registry.life_hooks import MANY_NEEDS, MOST_NEEDS
from agent.registry.missing_policies import MissingPolicy
from agent.registry.plugin_record import PluginRecord
from agent.store import Store
from agent.system.modes import Repair


def of_plugins(plugins: Iterable[PluginRecord], told: Collection[PluginError] = ()) -> Iterator[Finding]:
    """Yield what is wrong with the plugins that the settings enable, but for what is `told` already."""
    for plugin in plugins:
        for error in plugin.errors if plugin.enabled else ():
            if error in told:
                continue
            yield Finding(SubjectKind.PLUGIN, plugin.name, Severity.WARNING, error.problem)


def of_tables(failures: Mapping[str, PluginError], told: Collection[PluginError] = ()) -> Iterator[Finding]:
    """Yield the tables of the settings that can't be used, as code of their plugins failed, but for what is `told` already."""
    for table, error in failures.items():
        if error in told:
            continue
        kind, _, name = table.rpartition(".")
        yield Finding(SubjectKind.PLUGIN, name, Severity.WARNING, error.problem, title=f"{kind or 'source'} {name}")


def of_sources(broken: Mapping[str, Problem]) -> Iterator[Finding]:
    """Yield the sources that raised when they were asked for a plan."""
    for name, problem in broken.items():
        yield Finding(SubjectKind.PLUGIN, name, Severity.WARNING, problem, title=f"source {name}")


def of_many_needs(needs: Iterable[Need]) -> Iterator[Finding]:
    """Yield the modules that ask for so many chains that passes take long."""
    for module, count in Counter(need.module for need in needs).items():
        if count > MANY_NEEDS:
            yield Finding(SubjectKind.MODULE, module, Severity.NOTICE, many_needs(module, count, MOST_NEEDS))


def of_policies(missing: Iterable[MissingPolicy]) -> Iterator[Finding]:
    """Yield the plugins that wrapped hooks when they worked last, and can't be used: nothing that they govern is switched."""
    for each in missing:
        yield Finding(SubjectKind.PLUGIN, each.plugin, Severity.ERROR, each.refusal(each.plugin).problem)


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
