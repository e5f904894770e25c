"""Check of generations, which are loaded as by the web interface's process: ``python -m plugins.webui.check DIRECTORY...``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from chainwright import AgentError
from plugins.webui.generation import load_generation


def main(directories: Sequence[str]) -> str | None:
    """Return what is wrong with the first one that cannot be served, None when all can."""
    try:
        for directory in directories:
            load_generation(Path(directory))
    except AgentError as error:
        return f"error: {' '.join(error.problem.lines())}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
