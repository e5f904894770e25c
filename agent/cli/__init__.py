"""The command `chainwright`. An ``apply`` with nothing to do ends before click is imported, and ``run`` does without it."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `chainwright` with `arguments` (default: the process's own) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return _run("chainwright", given)


def config_apply() -> int:
    """Run `config-apply`, which is `chainwright apply`."""
    return _run("config-apply", ["apply", *sys.argv[1:]])


def _run(program: str, arguments: list[str]) -> int:
    from agent.cli.fast_path import agent_root, idle_exit_code

    root = agent_root(arguments)
    code = idle_exit_code(arguments) if root is None else _run_agent(root)
    if code is not None:
        return code
    from agent.cli.program import run

    return run(program, arguments)


def _run_agent(root: str) -> int:
    """Run the agent, without what only commands need as long as it doesn't fail."""
    from pathlib import Path

    from agent.daemon.supervisor import run
    from agent.system.layout import Layout

    try:
        return run(Layout(Path(root)))
    except Exception as error:
        from agent.cli.program import failed

        return failed(error)
