"""Addresses of the host names that modules need, looked up within a pass: in threads, in bounded time, and only what is due."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from agent.config.settings import ResolveSettings
from agent.engine.pass_inputs import PassInputs
from agent.errors import AgentError
from agent.errors.problem import Problem
from agent.model.resolved import ResolvedName, asked_first, by_module
from agent.store import Store
from agent.system.resolving import Resolve, resolve_all

Wanted = Mapping[str, Iterable[str]]
"""Module -> host names."""


def with_resolved_names(
    inputs: PassInputs, store: Store, resolve: Resolve, now: datetime, *, retry: bool = False
) -> PassInputs:
    """Ask the modules for their host names, look up what is due, keep it, and hand the addresses to the modules.

    `retry`: a person asks; what didn't resolve is looked up again, whenever that was. Call under the lock, never in a boot. A
    module that can't be asked keeps its names.
    """
    known = store.resolved.all()
    wanted, problems = _wanted(inputs, known)
    found = _with_new(wanted, known, now)
    due = asked_first(each for each in found if each.is_due(now) or (retry and each.words))
    found = _looked_up(found, due, inputs.settings.resolve, resolve, now)
    changed = [each for each in found if each not in known]
    names = {(each.module, each.name) for each in found}
    gone = [each for each in known if (each.module, each.name) not in names]
    if changed or gone:
        with store.write():
            store.resolved.put(changed)
            store.resolved.forget(gone)
    enabled = replace(inputs.enabled, resolved=by_module(found))
    return replace(inputs, enabled=enabled, problems=problems)


def _wanted(inputs: PassInputs, known: Iterable[ResolvedName]) -> tuple[Wanted, dict[str, Problem]]:
    wanted: dict[str, list[str]] = {}
    problems: dict[str, Problem] = {}
    for module, entry in inputs.settings.entries.items():
        if not entry.enabled:
            continue
        wanted[module] = [each.name for each in known if each.module == module]
        if entry.module is None:  # its plugin can't be loaded now
            continue
        try:
            wanted[module] = inputs.hooks.names_to_resolve(inputs.enabled.modules[module], inputs.enabled.host)
        except AgentError as error:
            problems[module] = error.problem
    return wanted, problems


def _with_new(wanted: Wanted, known: Iterable[ResolvedName], now: datetime) -> list[ResolvedName]:
    """Return what is known of each name that is wanted. One that was never asked about is due: it was asked in no time."""
    last = {(each.module, each.name): each for each in known}
    keys = [(module, name) for module, names in wanted.items() for name in names]
    return [last.get(key) or ResolvedName(*key, asked_at=now, seconds=0) for key in keys]


def _looked_up(
    found: Iterable[ResolvedName], due: Collection[str], settings: ResolveSettings, resolve: Resolve, now: datetime
) -> list[ResolvedName]:
    """Look up the names that are due, and return what is known of each afterwards."""
    answers = resolve_all(due, resolve, settings.timeout)
    return [
        each.answered(answers[each.name], now, settings.interval) if each.name in answers else each for each in found
    ]
