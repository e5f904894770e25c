"""Directories of the agent's own that services are told of."""

from __future__ import annotations

from agent.system.layout import Layout
from agent.system.writing import make_directory


def make_places(layout: Layout) -> None:
    """Make the directories that services are told of."""
    for directory in (layout.modules, layout.services):
        make_directory(directory, mode=0o711)
    for directory in (layout.run, layout.log):
        directory.parent.mkdir(parents=True, exist_ok=True)
    for directory in (layout.run, layout.webroot):
        make_directory(directory, mode=0o755)
    make_directory(layout.log, mode=0o750)  # who asked for what is nobody else's business
