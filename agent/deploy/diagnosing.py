"""What is wrong in services' configurations beside what their tests find, as programs of their plugins tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.deploy.deploy_context import DeployContext
from agent.deploy.next_start import finding_of, in_service, kind_of
from agent.deploy.units import Unit, units_of
from agent.errors.service import ConfigurationClash, NotDiagnosed
from agent.model.finding import Finding, Severity
from agent.model.observed import read_states
from agent.system.observed_output import lines_of

SCOPE = "diagnosis"


def diagnose_services(context: DeployContext, modules: Iterable[str]) -> None:
    """Have the services of `modules` diagnosed on what is in place, and note what they find in place of what they had found."""
    modules = frozenset(modules)
    before = context.store.conditions.of(SCOPE)
    found: list[Finding] = []
    for unit in units_of(context.enabled, tuple(context.enabled.modules)):
        if modules.isdisjoint(unit.modules):
            found += [each for each in before if (each.kind, each.subject) == (kind_of(unit), unit.name)]
            continue
        with context.failures.apart("diagnosis", unit.name, kind_of(unit)):
            found += _diagnosed(context, unit)
    if found or before:
        with context.store.write():
            context.store.conditions.replace(SCOPE, found, context.clock())


def _diagnosed(context: DeployContext, unit: Unit) -> Iterator[Finding]:
    candidate = in_service(context, unit)
    command = unit.diagnose(candidate) if candidate.contexts else None
    if command is None:
        return
    result = context.runner.run(command)
    try:
        states = read_states(kind_of(unit), unit.name, lines_of(result.output)) if result.ok else None
    except ValueError as error:
        yield finding_of(unit, Severity.WARNING, NotDiagnosed(unit.name, command.shown, str(error), result.account))
        return
    if states is None:
        yield finding_of(unit, Severity.WARNING, NotDiagnosed(unit.name, command.shown, result.reason, result.account))
    for each in states or ():
        clash = ConfigurationClash(unit.name, each.why, each.fix)
        yield finding_of(unit, each.severity or Severity.WARNING, clash)
