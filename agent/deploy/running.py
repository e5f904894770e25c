"""Whether a service runs, as its command or its pid file says."""

from __future__ import annotations

from pathlib import Path

from agent.system.command import Command, Runner
from agent.system.processes import NoProcess, handle_of


def why_not_running(runner: Runner, how: Command | Path | None, root: Path) -> str | None:
    """Return why a service can't be reloaded, or nothing when it runs; None: there is no other way to know than to look."""
    if how is None:
        return None
    if isinstance(how, Path):
        return _why_no_process(how, root)
    result = runner.run(how)
    if result.ok:
        return ""
    return result.absence if result.missing or result.lacks_systemd else f"{how.shown} says that it does not run"


def _why_no_process(pid_file: Path, root: Path) -> str:
    try:
        with handle_of(pid_file, root):
            return ""
    except NoProcess as error:
        return str(error)
