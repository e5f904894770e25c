"""Consequences of a change, by name, from modules and from what their inspections print now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.contract.context import Change
from agent.errors import AgentError
from agent.operations.effects import ChangeEffects, ModuleConsequence, UninspectedModule
from agent.system.command import Command

if TYPE_CHECKING:
    from agent.operations.locked_state import LockedState

INSPECTION_SECONDS = 10.0
"""A person waits for the answer."""
AT_ONCE = 8
"""Inspections."""

NeedKeys = Iterable[tuple[str, str]]
"""Module and slot of needs."""


def chain_effects(state: LockedState, chain: str) -> ChangeEffects:
    """Return what another chain in the place of this one would break: those that use it are asked."""
    return need_effects(state, [each.key for each in state.bindings() if each.chain == chain], chain)


def need_effects(state: LockedState, keys: NeedKeys, chain: str = "") -> ChangeEffects:
    """Return what another chain for these needs would break. `chain`: id of the one that they have."""
    found = list(keys)
    modules = dict.fromkeys(module for module, _ in found if module in state.inputs.enabled.modules)
    return module_effects(state, "chain", chain, found, modules)


def module_effects(
    state: LockedState, kind: str, subject: str, keys: NeedKeys, modules: Iterable[str]
) -> ChangeEffects:
    """Return what `modules` say that a change breaks. What goes wrong in a module is a note in the answer.

    `keys`: the needs whose chain would change.
    """
    (found,) = effects_of_each(state, [Change(kind=kind, subject=subject)], keys, modules)
    return found


def effects_of_each(
    state: LockedState, changes: Iterable[Change], keys: NeedKeys, modules: Iterable[str]
) -> list[ChangeEffects]:
    """Return the same for each of several changes of which one is made: what runs is inspected once.

    `keys`: the needs whose chain would change, by each of them.
    """
    asked, slots = list(modules), _by_module(keys)
    commands, failed = _commands(state, asked)
    observed, unseen = _observed(state, commands)
    uninspected = tuple(UninspectedModule(*each) for each in (failed | unseen).items())
    found = []
    for change in changes:
        told = {each: replace(change, slots=slots.get(each, ())) for each in asked}
        consequences, unknown = _said(state, told, observed)
        found.append(ChangeEffects(tuple(consequences), tuple(unknown), uninspected))
    return found


def _said(
    state: LockedState, changes: Mapping[str, Change], observed: Mapping[str, str]
) -> tuple[list[ModuleConsequence], list[str]]:
    """Return what modules say of their change, and which could not say."""
    found: list[ModuleConsequence] = []
    unknown: list[str] = []
    for module, change in changes.items():
        try:
            answer = state.inputs.hooks.consequences_of(
                state.inputs.enabled.modules[module], change, observed.get(module, "")
            )
            found += [ModuleConsequence(module, each.sentence, each.severity) for each in answer]
        except AgentError:
            unknown.append(module)
    return found, unknown


def _by_module(keys: NeedKeys) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for module, slot in dict.fromkeys(keys):
        found[module] = (*found.get(module, ()), slot)
    return found


def _commands(state: LockedState, modules: Iterable[str]) -> tuple[dict[str, Command], dict[str, str]]:
    """Return the inspections by module, and why there is none where its module failed."""
    commands: dict[str, Command] = {}
    failed: dict[str, str] = {}
    for module in modules:
        try:
            command = _inspection(state, module)
        except AgentError as error:
            failed[module] = error.problem.cause
        else:
            if command is not None:
                commands[module] = replace(command, timeout=min(command.timeout, INSPECTION_SECONDS))
    return commands, failed


def _inspection(state: LockedState, module: str) -> Command | None:
    """Ask a module for the inspection of what is in service."""
    from agent.rendering.enabled_modules import facts_of

    enabled, deployment = state.inputs.enabled, state.store.deployments.all().get(module)
    number = deployment.generation if deployment and deployment.generation is not None else 0
    generation = state.store.deployments.generation(f"module:{module}", number) if number else None
    records = {record.id: record for record in state.chains}
    served = generation.chains if generation else {}
    chains = {slot: facts_of(records[chain]) for slot, chain in served.items() if chain in records}
    directory = enabled.layout.module(module).state / str(number)
    return state.inputs.hooks.inspect_command(
        enabled.modules[module], enabled.context(module, directory, str(number), chains)
    )


def _observed(state: LockedState, commands: Mapping[str, Command]) -> tuple[dict[str, str], dict[str, str]]:
    """Run the inspections side by side. Return what they print, and why those that failed did."""
    if not commands:
        return {}, {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = dict(zip(commands, pool.map(state.engine.runner.run, commands.values()), strict=True))
    good = {module: result.output for module, result in results.items() if result.ok}
    bad = {module: result.summary for module, result in results.items() if not result.ok}
    return good, bad
