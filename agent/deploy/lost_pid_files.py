"""Pid files in the agent's own run directory that were deleted under a service that goes on: they are written again.

Without one the service can't be told to read its files, and would serve its chain until that ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from agent.deploy.deploy_context import DeployContext
from agent.deploy.units import Candidate, EntryUnit, Unit
from agent.system.command import Signal
from agent.system.listeners import listeners, processes_of
from agent.system.processes import is_called_with, parents_only, user_of
from agent.system.writing import replace

ROOT_USER = 0


def restore_pid_file(context: DeployContext, unit: Unit, candidate: Candidate) -> None:
    """Write the missing pid file of a unit, where the kernel tells which process it is.

    That is the one process, of this user or root, which listens at a port of the unit and was started with a file that the
    agent has made for it. Anybody else there may be a proxy in front of it, or a stranger.
    """
    path = _missing(context, unit, candidate)
    if path is None:
        return
    made = context.service_dir(unit.name) if isinstance(unit, EntryUnit) else context.module_dir(unit.name)
    found = [pid for pid in _listening(_ports(context, unit.modules)) if _is_ours(pid, made.state)]
    if len(found) == 1:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, f"{found[0]}\n".encode(), mode=0o644)


def _missing(context: DeployContext, unit: Unit, candidate: Candidate) -> Path | None:
    """Return a unit's pid file where it is one of the run directory, and not there."""
    how = unit.running(candidate)
    reload = unit.reload(candidate) if how is None else None
    path = reload.pid_file if isinstance(reload, Signal) else how
    if not isinstance(path, Path) or not path.is_relative_to(context.enabled.layout.run):
        return None
    try:
        return None if path.lstat().st_size else path  # `nginx -t` makes an empty one
    except FileNotFoundError:
        return path
    except OSError:
        return None


def _ports(context: DeployContext, modules: Iterable[str]) -> set[int]:
    names = set(modules)
    ports = [each.address.rpartition(":")[2] for each in context.store.endpoints.all() if each.module in names]
    return {int(port) for port in ports if port.isdecimal()}


def _listening(ports: set[int]) -> set[int]:
    """Return the processes that listen at `ports`, without their workers."""
    try:
        return parents_only(processes_of({inode for *_, inode in listeners(ports)})) if ports else set()
    except OSError:
        return set()


def _is_ours(pid: int, state: Path) -> bool:
    return user_of(pid) in {ROOT_USER, os.geteuid()} and is_called_with(pid, f"{state}/")
