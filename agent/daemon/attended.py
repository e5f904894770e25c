"""Work in a process of its own that is looked at from outside: what hangs in it is named and ended, and its caller goes on.

A thread that hangs can't be ended, and a process in the middle of a system call of a dead file system can't be waited for: the
caller does neither.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from agent.daemon.child import kill_commands
from agent.system.activity import Activity, Doing, Page, shared_memory
from agent.system.prctl import end_with

LOOK_SECONDS = 0.1
"""Between two looks at what the process does."""
GONE_SECONDS = 1.0
"""A process that was killed is waited for so long, so that its locks are free; one that can't be ended is left."""
CALL_SECONDS = 5.0
"""So long a plugin may take for one answer."""
PLUGIN = "plugin "
Work = Callable[[Activity], int]
"""Does something, and returns an exit code. It prints by itself, and raises nothing."""


class Attended(NamedTuple):
    """How it went."""

    code: int | None
    """The exit code of the process; None: it was ended."""
    hung: Doing | None = None
    """What it was at then, as far as it is known."""


def attended(work: Work, deadline: float, call_seconds: float = CALL_SECONDS) -> Attended:
    """Do the work in a copy of this process, until it ends, the deadline is there (monotonic), or a plugin hangs in it.

    Call it while this process has one thread.
    """
    memory = shared_memory()
    try:
        page = Page(memory)
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            _run(work, Activity(page), parent)
        return _attend(pid, page, deadline, call_seconds)
    finally:
        os.close(memory)


def _run(work: Work, activity: Activity, parent: int) -> NoReturn:
    """Do the work and end. Where the parent is killed, so is this: else what hangs would hold the lock and nobody ended it."""
    code = 1
    try:
        os.setsid()
        end_with(parent)
        code = work(activity)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _attend(pid: int, page: Page, deadline: float, call_seconds: float) -> Attended:
    handle = os.pidfd_open(pid)
    try:
        while not _has_ended(handle, LOOK_SECONDS):
            hung = _hung(page, call_seconds)
            if hung is not None or time.monotonic() >= deadline:
                return Attended(None, hung or next(iter(_under_way(page)), None))
        return Attended(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    finally:
        _end(pid, handle)
        os.close(handle)


def _hung(page: Page, call_seconds: float) -> Doing | None:
    before = time.monotonic() - call_seconds
    return next((each for each in _under_way(page) if each.subject.startswith(PLUGIN) and each.begun < before), None)


def _under_way(page: Page) -> list[Doing]:
    """Return what the process is at, single calls first."""
    return sorted(page.read(), key=lambda each: each.subject.startswith("pass "))


def _has_ended(handle: int, seconds: float) -> bool:
    return bool(select.select([handle], [], [], seconds)[0])


def _end(pid: int, handle: int) -> None:
    """End the process with its commands, unless it has ended."""
    if _has_ended(handle, 0):
        return
    kill_commands(pid)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    if _has_ended(handle, GONE_SECONDS):
        os.waitpid(pid, 0)
