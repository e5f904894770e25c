"""Preview of a recovery: what is wrong, and what would be restored, found out at a copy. No file of the appliance changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from agent.store.database import Store
from agent.store.failures import look_at_files, translated
from agent.store.looking import copied
from agent.store.recovery import Recovery, diagnose, make_whole
from agent.store.traces import refuse_to_forget, refuse_while_restoring, refuse_without_mount
from agent.system.layout import Layout
from agent.system.obstacles import state_unwritable


def preview(layout: Layout, now: datetime) -> Recovery | None:
    """Return what `recover` would do; None: the database is whole. Call under the lock. Raises `StoreError`."""
    refuse_while_restoring(layout)
    refuse_without_mount(layout)
    try:
        with translated(layout), copied(layout.database) as copy:
            found = diagnose(layout, partial(_opened, copy))
            return make_whole(layout, copy, copy.with_suffix(".new"), found, now) if found else None
    except OSError as error:
        raise state_unwritable(Path(error.filename or layout.private), error) from error


@contextmanager
def _opened(copy: Path, layout: Layout) -> Iterator[Store]:
    """Open a copy as `Store.open` does the database."""
    look_at_files(layout)
    is_empty = not copy.exists() or not copy.stat().st_size
    if is_empty:
        refuse_to_forget(layout)
    with translated(layout), Store.empty(layout) if is_empty else Store.open_at(layout, copy) as store:
        yield store
