"""Services that serve but can't be told to read their files again: without a look, only the next renewal would show it."""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.deploy.lost_pid_files import restore_pid_file
from agent.deploy.next_start import finding_of, in_service, kind_of
from agent.deploy.restarts import is_held_back, note_start
from agent.deploy.running import why_not_running
from agent.deploy.units import Candidate, EntryUnit, Unit, units_of
from agent.errors import AgentError
from agent.errors.deploy import NoSystemd
from agent.errors.service import NotReloadable
from agent.model.finding import Finding, Severity
from agent.system.command import NO_SYSTEMD, SYSTEMCTL, Command, Signal
from agent.system.listeners import listeners, processes_of
from agent.system.processes import NoProcess, are_related, handle_of, parents_only, process_of

SCOPE = "reloadable"
INIT = 1
"""It holds the sockets of services that systemd starts on demand."""


def check_reloadable(context: DeployContext, looked_at: AbstractSet[str]) -> None:
    """Note which services of the modules `looked_at` serve and can't be reloaded, and see whether those of the last time can.

    Nothing else comes of it: a reload is tried as before, since who listens may be a proxy in front of the service.
    """
    before = {each.subject for each in context.store.conditions.of(SCOPE)}
    if not looked_at and not before:
        return
    ports = _serving_ports(context)
    units = units_of(context.enabled, tuple(context.enabled.modules))
    chosen = [unit for unit in units if unit.name in before or looked_at & set(unit.modules)]
    found = []
    for unit in chosen:
        with context.failures.apart("look at what reloads it", unit.name, kind_of(unit)):
            found += [each] if (each := _check(context, unit, _ports_of(unit, ports))) else []
    kept = [each for each in context.store.conditions.of(SCOPE) if each.subject not in {unit.name for unit in chosen}]
    enabled = {unit.name for unit in units}
    with context.store.write():
        findings = [*found, *(each for each in kept if each.subject in enabled)]
        context.store.conditions.replace(SCOPE, findings, context.clock())


def _serving_ports(context: DeployContext) -> dict[str, set[int]]:
    """Return at which ports each module was seen to serve what it should; none of them for a UNIX socket."""
    found: dict[str, set[int]] = {}
    for each in context.store.endpoints.all():
        if each.ok and each.checked_at is not None:
            port = each.address.rpartition(":")[2]
            found.setdefault(each.module, set()).update({int(port)} if port.isdecimal() else ())
    return found


def _ports_of(unit: Unit, ports: dict[str, set[int]]) -> set[int] | None:
    """Return at which ports a unit serves; None: it isn't seen to serve."""
    serving = [ports[module] for module in unit.modules if module in ports]
    return set().union(*serving) if serving else None


def _check(context: DeployContext, unit: Unit, ports: set[int] | None) -> Finding | None:
    if ports is None:  # one that doesn't serve is told of as such
        return None
    candidate = in_service(context, unit)
    if not candidate.contexts:
        return None
    listening = _listening(ports)
    try:
        restore_pid_file(context, unit, candidate)
        why = _why_not(context, unit, candidate, listening)
        start = unit.start(candidate) if why else None
    except AgentError:
        return None  # its plugin fails in other questions as well, which are told of
    if not why or _started(context, unit, candidate, start):
        return None
    alone = all(len(context.enabled.modules[module].services) < 2 for module in unit.modules)
    error: AgentError = NotReloadable(unit.name, why, _advice(start, parents_only(listening) if alone else set()))
    if why == NO_SYSTEMD:
        error = NoSystemd(unit.name, shared=isinstance(unit, EntryUnit))
    return finding_of(unit, Severity.WARNING, error)


def _started(context: DeployContext, unit: Unit, candidate: Candidate, start: Command | None) -> bool:
    """Whether a unit that the agent may start has been: what serves is what a process that ended has left, or in front of it."""
    lost = isinstance(how := unit.running(candidate), Path) and process_of(how, context.enabled.layout.root) is None
    if start is None or not lost or not unit.may_start or context.boot or is_held_back(context, unit.name):
        return False
    note_start(context, unit.name)  # one that fails is a start as well: nothing else would hold the next one back
    return context.runner.run(replace(start, stays=SYSTEMCTL not in start.argv)).ok


def _why_not(context: DeployContext, unit: Unit, candidate: Candidate, listening: AbstractSet[int]) -> str:
    """Return why a unit that serves can't be reloaded; nothing where it can, as far as can be seen without doing it."""
    how, reload, root = unit.running(candidate), unit.reload(candidate), context.enabled.layout.root
    if isinstance(reload, Signal):
        wrong = _why_wrong_file(reload.pid_file, root, listening)
        if wrong:
            return wrong
    if isinstance(how, Path):
        return _why_wrong_file(how, root, listening)
    return why_not_running(context.runner, how, root) or ""


def _why_wrong_file(path: Path, root: Path, listening: AbstractSet[int]) -> str:
    """Return what is wrong with a pid file; where nobody can tell who listens, any living process will do."""
    try:
        with handle_of(path, root) as (pid, _):
            related = not listening or are_related(pid, listening)
            return "" if related else f"{path} names pid {pid}, which is another process"
    except NoProcess as error:
        return str(error) if path.exists() else f"{path} is missing"


def _listening(ports: AbstractSet[int]) -> set[int]:
    """Return the processes that listen at `ports`, where the kernel tells."""
    try:
        sockets = {inode for *_, inode in listeners(ports)} if ports else set()
        return set(processes_of(sockets)) - {INIT, os.getpid()} if sockets else set()
    except OSError:
        return set()


def _advice(start: Command | None, listening: AbstractSet[int]) -> str:
    """Say how to restart it: what serves is unknown to the usual restart, and would keep the port."""
    pids = " ".join(map(str, sorted(listening)))
    end = f"End it (kill {pids})" if pids else "End its process"
    return f"{end}, then start it: {start}" if start is not None else f"{end}, then start it again"
