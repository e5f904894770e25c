"""Warnings of services' own tests that name our names or files: what a service ignores is not served though its test succeeds."""

from __future__ import annotations

import re
from collections.abc import Iterable

from agent.deploy.deploy_context import DeployContext
from agent.deploy.units import Unit
from agent.errors.service import CheckWarned
from agent.model.finding import Finding, Severity, SubjectKind
from agent.system.command import CommandResult, without_stamp


def warnings_of(context: DeployContext, unit: Unit, result: CommandResult) -> tuple[str, ...]:
    """Return what a test that succeeded warns of and that is about what the modules of a unit serve; each once."""
    ours = _ours(context, unit)
    lines = (without_stamp(line.strip()).removeprefix(f"{unit.name}: ") for line in unit.warnings_in(result.output))
    cures = {line: unit.cure_for(line) for line in lines}
    return tuple(f"{line} ({cure})" if cure else line for line, cure in cures.items() if cure or ours.search(line))


def _ours(context: DeployContext, unit: Unit) -> re.Pattern[str]:
    """Return what finds a name that the modules ask for, or a path of the agent's."""
    names = {name for need in context.needs.values() if need.module in unit.modules for name in need.names}
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or "(?!)"
    return re.compile(rf"(?<![\w.-])(?:{words})(?![\w.-])|{re.escape(str(context.enabled.layout.state))}/")


def keep_warnings(context: DeployContext, warnings: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    """Keep the warnings of each service as what is to be known of it, in place of those of its last test."""
    now = context.clock()
    with context.store.write():
        for service, lines in warnings:
            problem = CheckWarned(service, lines).problem
            findings = [Finding(SubjectKind.SERVICE, service, Severity.WARNING, problem)] if lines else []
            context.store.conditions.replace(f"warnings of {service}", findings, now)
