"""Command lines that get along without click: an ``apply`` when nothing is due, and ``run``, which is to stay small."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

DEGRADED = 3
VALUES = frozenset({"--root", "--timeout", "--wait"})
"""Options with a value that such a run may have."""
IF_DUE = "--if-due"
"""A timer asks, not a person: nothing is looked at before it is due."""
FLAGS = frozenset({"--no-color", "--no-wait", IF_DUE})


def idle_exit_code(arguments: Sequence[str]) -> int | None:
    """Return the exit code of an ``apply`` that has nothing to do; None: this is another command, or has something to do."""
    root = _root(arguments)
    if root is None:
        return None
    from agent.engine.freshness import still_fresh
    from agent.system.clock import Clock

    now = Clock(root).settled()
    up_to_date = still_fresh(root, now, look=IF_DUE not in arguments) if now is not None else None
    if now is None or up_to_date is None:
        return None
    print(f"Nothing to do.{_next(up_to_date.until, now)}", flush=True)
    if up_to_date.attention:
        print(f"{up_to_date.attention} in need of attention: chainwright status", file=sys.stderr)
    return DEGRADED if up_to_date.attention else 0


def agent_root(arguments: Sequence[str]) -> str | None:
    """Return the root that ``run`` is asked for; None when there is anything else on the command line."""
    plain = not any(each.startswith("--") and each.partition("=")[0] != "--root" for each in arguments)
    return _root(arguments, "run") if plain else None


def _root(arguments: Sequence[str], command: str = "apply") -> str | None:
    """Return the root that a command is asked for; None when there is anything else on the command line."""
    root = "/"
    commands = []
    left = iter(arguments)
    for each in left:
        name, is_equal, value = each.partition("=")
        if name in VALUES:
            value = value if is_equal else next(left, "")
            if name != "--root" and not value.isdigit():
                return None
            root = value if name == "--root" else root
        elif each not in FLAGS:
            commands.append(each)
    return os.path.abspath(root) if commands == [command] and root else None  # noqa: PTH100


def _next(until: float | None, now: float) -> str:
    if until is None:
        return ""
    from datetime import timedelta

    from agent.system.spans import span

    return f" Next: in {span(timedelta(seconds=until - now))}."
