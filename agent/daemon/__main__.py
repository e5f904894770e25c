"""``python -m agent.daemon ROOT WHO PIPE ACTIVITY TRACE``: the process that makes passes, which the supervisor starts."""

from __future__ import annotations

import sys
from pathlib import Path

from agent.daemon.first_look import is_enough
from agent.system.layout import Layout


def main() -> int:
    """Make passes as the supervisor at the inherited descriptors asks for."""
    root, who, *descriptors = sys.argv[1:]
    if is_enough(Path(root), int(descriptors[0])):
        return 0
    from agent.daemon.pass_process import inherited, serve

    end, activity = inherited(*map(int, descriptors))
    return serve(Layout(Path(root)), end, who=who, activity=activity)


if __name__ == "__main__":
    sys.exit(main())
