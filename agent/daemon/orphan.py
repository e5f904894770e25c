"""End of a pass process whose supervisor has gone and that hangs: another agent must get the lock."""

from __future__ import annotations

import os
import select
import threading
import time

from agent.daemon.child import kill_commands
from agent.system.activity import Page

TICK = 1.0
"""Seconds between two looks."""
HUNG = 70
"""Exit code, which nobody waits for."""


def watch_for_orphanage(pipe: int, page: Page) -> None:
    """Begin to wait, in a thread, for the other end of `pipe` to close; then end this process when what `page` tells of hangs."""
    threading.Thread(target=_wait, args=(pipe, page), name="orphan watch", daemon=True).start()


def _wait(pipe: int, page: Page) -> None:
    poll = select.poll()
    poll.register(pipe, 0)  # only for the end: POLLHUP and POLLERR are always told
    poll.poll()
    while not any(each.overdue_at <= time.monotonic() for each in page.read()):
        time.sleep(TICK)
    kill_commands(os.getpid())
    os._exit(HUNG)
