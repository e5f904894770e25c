"""Services whose own test would fail at their next start: what they read then may have changed since they were deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from agent.deploy.deploy_context import DeployContext
from agent.deploy.running import why_not_running
from agent.deploy.units import Candidate, EntryUnit, OwnUnit, Unit, units_of
from agent.deploy.warnings import keep_warnings, warnings_of
from agent.errors import AgentError
from agent.errors.deploy import WAITS, NotIncluded, ServiceRefusesPresent, StartFailed
from agent.errors.service import NextStartFails
from agent.model.deployment import Outcome
from agent.model.finding import Finding, Severity, SubjectKind
from agent.system.command import CommandResult

SCOPE = "next start"
TOLD = {NotIncluded.code, ServiceRefusesPresent.code, StartFailed.code}
"""Codes of what a deployment tells already, with the same words."""


def check_next_start(
    context: DeployContext,
    looked_at: Iterable[str],
    waited: Iterable[str],
    deployed: Iterable[str],
    tested: Mapping[str, CommandResult],
) -> None:
    """Run the test of each service of the modules `looked_at`, and of those that wait, on what is in place for them.

    `tested`: what tests of services have said in this pass already. Those that would not start are noted. Nothing is undone:
    what runs goes on. A service that has just come up, or whose modules were just `deployed`, is fine; it is tested only
    where the last look had found it failing.
    """
    before = {each.subject: each for each in context.store.conditions.of(SCOPE)}
    fixed = {*waited, *deployed}
    chosen = {*looked_at, *(module for module in waited if _waits(context, module))}
    if not chosen and not before:
        return
    found = []
    for unit in units_of(context.enabled, tuple(context.enabled.modules)):
        last = before.get(unit.name)
        if chosen.intersection(unit.modules) or (last and fixed.intersection(unit.modules)):
            with context.failures.apart("test of the next start", unit.name, kind_of(unit)):
                found += _check(context, unit, tested.get(unit.name))
        elif last:
            found.append(last)
    with context.store.write():
        context.store.conditions.replace(SCOPE, found, context.clock())


def _check(context: DeployContext, unit: Unit, tested: CommandResult | None) -> list[Finding]:
    """Return what is wrong with a service's next start, if anything."""
    if _is_told(context, unit):
        return []
    try:
        result = tested or run_test(context, unit, in_service(context, unit))
    except AgentError as error:  # its plugin can't be asked
        return [finding_of(unit, Severity.ERROR, error)]
    if result is None or result.missing:  # one that isn't installed waits, which is told
        return []
    if result.ok:
        keep_warnings(context, [(unit.name, warnings_of(context, unit, result))])
        return []
    return [_failing(context, unit, result)]


def note_before_start(
    context: DeployContext, tested: Iterable[str], refused: Iterable[tuple[Unit, CommandResult]]
) -> None:
    """Note at boot which of the services `tested` would not start, as their tests say; what is known of others is kept."""
    before, tested = context.store.conditions.of(SCOPE), frozenset(tested)
    found = [each for each in before if each.subject not in tested]
    found += [_failing(context, unit, result) for unit, result in refused if not _is_told(context, unit)]
    if found or before:
        with context.store.write():
            context.store.conditions.replace(SCOPE, found, context.clock())


def _failing(context: DeployContext, unit: Unit, result: CommandResult) -> Finding:
    fails = refusal_of(unit, result)
    if context.boot or all(_waits(context, module) for module in unit.modules) or _has_ended(context, unit):
        fails.effect = WAITS
    return finding_of(unit, Severity.ERROR, fails)


def _has_ended(context: DeployContext, unit: Unit) -> bool:
    return bool(why_not_running(context.runner, unit.running(in_service(context, unit)), context.enabled.layout.root))


def refusal_of(unit: Unit, result: CommandResult) -> NextStartFails:
    """Return what a test that failed says of a service's next start."""
    error = NextStartFails(unit.name, str(result.action), result.summary.rstrip("."), result.account)
    error.mend_with(unit.cure_for(result.output))
    return error


def _waits(context: DeployContext, module: str) -> bool:
    deployment = context.deployment(module)
    return deployment is not None and deployment.outcome is Outcome.WAITING


def _is_told(context: DeployContext, unit: Unit) -> bool:
    deployments = (context.deployment(module) for module in unit.modules)
    return any(each is not None and each.problem is not None and each.problem.code in TOLD for each in deployments)


def run_test(context: DeployContext, unit: Unit, candidate: Candidate) -> CommandResult | None:
    """Run a service's own test, if it has one. Raises what asking its plugin raises."""
    command = unit.check(candidate) if candidate.contexts else None
    return context.runner.run(command) if command else None


def in_service(context: DeployContext, unit: Unit) -> Candidate:
    """Return the generations and the entry that a unit would start with."""
    live = {module: context.live(module) for module in unit.modules}
    contexts = {module: context.context(module, each) for module, each in live.items() if each and each.files}
    generation_dir, entry = context.service_dir(unit.name), context.live_entry(unit.name)
    directory = generation_dir.directory(entry.number) if entry is not None else generation_dir.state
    return Candidate(contexts, {unit.name: directory} if isinstance(unit, EntryUnit) else {})


def kind_of(unit: Unit) -> SubjectKind:
    """Return what a finding about a unit is about."""
    return SubjectKind.MODULE if isinstance(unit, OwnUnit) else SubjectKind.SERVICE


def finding_of(unit: Unit, severity: Severity, error: AgentError) -> Finding:
    """Return what an error says of a unit."""
    return Finding(kind_of(unit), unit.name, severity, replace(error.problem, where=error.problem.where or unit.name))
