"""Delivery of events without an agent that runs: a process that a command leaves behind tells observers and notifiers."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from agent.daemon.child import Child
from agent.daemon.delivery_supervisor import PROGRAM
from agent.errors import AgentError
from agent.store import Store
from agent.system.clock import Clock
from agent.system.layout import Layout
from agent.system.lock import holder_of

MOST_OCTETS = 1 << 20
"""Of its log; then another one is begun, and the one before is kept."""


def deliver_later(layout: Layout) -> None:
    """Start it where somebody is to be told, and wait for nothing. An agent that runs has it done itself."""
    with contextlib.suppress(AgentError, OSError, sqlite3.Error):
        if _is_due(layout) and holder_of(layout.daemon_lock) is None:
            with _log(layout) as log:
                Child([*PROGRAM, str(layout.root), "0"], output=log)


def _is_due(layout: Layout) -> bool:
    with Store.open_read_only(layout) as store:
        return store.deliveries.seconds_until_due(Clock(layout.root)()) == 0.0


@contextmanager
def _log(layout: Layout) -> Iterator[int]:
    path = layout.log / "delivery.log"
    if path.is_file() and path.stat().st_size > MOST_OCTETS:
        path.replace(path.with_suffix(".log.1"))
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield log
    finally:
        os.close(log)
