"""Directories of the agent's own that services are told of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from agent.errors.damage import PlaceMissing
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store
from agent.system.layout import Layout
from agent.system.obstacles import obstacle
from agent.system.writing import make_directory

SCOPE = "places"


def make_places(store: Store, now: datetime) -> None:
    """Make the directories that services are told of. One that can't be made is noted: who needs it fails alone."""
    found = list(_missing(store.layout))
    if found or store.conditions.of(SCOPE):
        with store.write():
            store.conditions.replace(SCOPE, found, now)


def _missing(layout: Layout) -> Iterator[Finding]:
    for directory, mode in _modes(layout).items():
        try:
            directory.parent.mkdir(parents=True, exist_ok=True)
            make_directory(directory, mode=mode)
        except OSError as error:
            problem = PlaceMissing(*obstacle(directory, error)).problem
            yield Finding(SubjectKind.APPLIANCE, str(directory), Severity.ERROR, problem)


def _modes(layout: Layout) -> dict[Path, int]:
    services = dict.fromkeys((layout.modules, layout.services), 0o711) | dict.fromkeys(
        (layout.run, layout.webroot), 0o755
    )
    return services | {layout.log: 0o750}  # who asked for what is nobody else's business
