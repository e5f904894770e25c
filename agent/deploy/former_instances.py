"""Daemons of the agent's own that go on after the settings have named another one: nobody but an administrator ends them."""

from __future__ import annotations

from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.errors.service import FormerInstance
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.footprint import ServiceFootprint
from agent.system.processes import process_of

SCOPE = "former instances"


def check_former_instances(context: DeployContext) -> None:
    """Note which of them still run, and forget those that have ended or are named again."""
    store = context.store
    former = store.footprints.all_former()
    if not former:
        return
    looked: dict[str, FormerInstance | None] = {}
    for name, each in former.items():
        with context.failures.apart("look at the former instance", name, SubjectKind.SERVICE):
            looked[name] = _still_runs(context, name, each)
    found = {name: error for name, error in looked.items() if error}
    findings = [Finding(SubjectKind.SERVICE, name, Severity.WARNING, error.problem) for name, error in found.items()]
    with store.write():
        for name in looked.keys() - found.keys():
            store.footprints.drop_former(name)
        store.conditions.replace(SCOPE, findings, context.clock())


def _still_runs(context: DeployContext, service: str, former: ServiceFootprint) -> FormerInstance | None:
    present = context.store.footprints.service(service)
    if former.running is None or (present is not None and present.running == former.running):
        return None
    if isinstance(former.running, Path):
        pid = process_of(former.running, context.enabled.layout.root)
        return FormerInstance(service, f"pid {pid}", f"kill {pid}") if pid is not None else None
    shown = former.running.shown
    result = context.runner.run(former.running)
    return FormerInstance(service, f"{shown} says so", "end its process") if result.ok else None
