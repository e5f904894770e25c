"""What tells of a database that isn't in its place: whether there was one, and whether it is only out of reach."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agent.errors.store import DatabaseLost, RestoreUnfinished
from agent.store.copies import copies
from agent.system.layout import Layout
from agent.system.obstacles import missing_mount


def traces(layout: Layout) -> Iterator[Path]:
    """Yield what an earlier run has left beside its database."""
    yield from layout.private.glob("root-*.sealed")
    yield from layout.modules.glob("*/live")
    yield from (each.path for each in copies(layout))


def refuse_to_forget(layout: Layout) -> None:
    """A lost database must not lead to a new root in silence: every client would distrust the appliance."""
    refuse_while_restoring(layout)
    for found in traces(layout):
        raise DatabaseLost(str(layout.database), str(found))


def refuse_while_restoring(layout: Layout) -> None:
    """Where a restore was decided, there may be no database for a moment. Raises `RestoreUnfinished`."""
    from agent.system.replacement import Replacement

    replacement = Replacement(layout)
    if replacement.committed:
        raise RestoreUnfinished(str(replacement.directory))


def refuse_without_mount(layout: Layout) -> None:
    """A database is not lost where its file system isn't mounted yet. Raises `StateUnwritable`."""
    if not os.path.lexists(layout.database) and (found := missing_mount(layout.private, layout.root)):
        raise found.error
