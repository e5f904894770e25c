"""Trial of the commands that plugins add, once for what is on disk: a status tells of those that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from agent.engine.pass_inputs import PassInputs
from agent.errors.plugin import PluginError
from agent.model.finding import Finding, Severity, SubjectKind
from agent.registry.command_trial import failures_of_commands
from agent.store import Store

SCOPE = "commands"
"""Scope of the conditions, and where it is kept for which files they hold."""


def note_commands(store: Store, inputs: PassInputs, digest: str, now: datetime, *, again: bool) -> None:
    """Note the plugins whose commands can't be registered. `digest`: fingerprint of what is on disk, `again`: a person asks.

    What failed is tried again when that has changed, or when a person asks.
    """
    before = store.conditions.of(SCOPE)
    if store.meta(SCOPE) == digest and not (again and before):
        return
    found = list(_findings(failures_of_commands(inputs.plugins, inputs.hooks.guard)))
    with store.write():
        store.conditions.replace(SCOPE, found, now)
        store.remember(SCOPE, digest)


def _findings(failures: Mapping[str, PluginError]) -> Iterator[Finding]:
    for name, error in failures.items():
        yield Finding(SubjectKind.PLUGIN, name, Severity.WARNING, error.problem, title=f"commands of {name}")
