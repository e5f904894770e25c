"""What a pass process does, seen from outside: whether it hangs, where, and what it was about when it died."""

from __future__ import annotations

import os
import signal
import time

from agent.daemon.channel import Message
from agent.daemon.child import Child, ending, kill_commands
from agent.system.activity import Doing, Page, shared_memory

TRACE_SECONDS = 1.0
"""For a process that hangs to write where it is, before it is killed."""
TRACE_SIGNAL = signal.SIGUSR1
"""On this one it writes that, whatever it does (faulthandler)."""
MOST_TRACE = 20_000
"""Octets."""
BEGINNING = "pass pass\tthe beginning of a pass"
"""Words of a process that does not begin what it was asked: it is stopped, say, or can't read its own program."""


class HangWatch:
    """Reader of what the pass process writes into memory that both have."""

    def __init__(self, begin_seconds: float) -> None:
        """`begin_seconds`: within which the process has to begin what it is asked."""
        self._begin_seconds = begin_seconds
        self._expected: Doing | None = None
        self._memory = shared_memory()
        self._page = Page(self._memory)
        self._trace = os.memfd_create("trace")
        self._hung: Doing | None = None
        self._kill_at = 0.0

    def begin(self) -> list[int]:
        """Forget all, and return the descriptors for another process: of its activity, and of its last words."""
        self._page.clear()
        os.ftruncate(self._trace, 0)
        os.lseek(self._trace, 0, os.SEEK_SET)
        self._hung = None
        self.expect_nothing()
        return [self._memory, self._trace]

    def expect(self) -> None:
        """Take over that the process was asked for something: until it begins, it writes nothing of its own."""
        now = time.monotonic()
        self._expected = Doing(now + self._begin_seconds, now, BEGINNING)

    def expect_nothing(self) -> None:
        """Take over that the process has begun or answered what it was asked, or that it is another one."""
        self._expected = None

    def _under_way(self) -> list[Doing]:
        return [*self._page.read(), *([self._expected] if self._expected else [])]

    @property
    def seconds(self) -> float | None:
        """Return for how long the loop may sleep; None: until something happens."""
        until = min((each.overdue_at for each in self._under_way()), default=None)
        until = self._kill_at if self._hung else until
        return None if until is None else max(0.0, until - time.monotonic())

    def look(self, child: Child) -> None:
        """Make a process that hangs say where it is, then kill it with the commands that it runs."""
        now = time.monotonic()
        if self._hung is None:
            self._hung = next((each for each in _most_telling(self._under_way()) if each.overdue_at <= now), None)
            if self._hung is not None:
                child.signal(TRACE_SIGNAL)
                self._kill_at = now + TRACE_SECONDS
        elif now >= self._kill_at:
            self._kill_at = now + TRACE_SECONDS
            kill_commands(child.pid)
            child.signal(signal.SIGKILL)

    def account(self, code: int) -> Message:
        """Return what a process was about that hung or died with `code`."""
        about = self._hung or next(iter(_most_telling(self._page.read())), None)
        return {
            "hung": self._hung is not None,
            "subject": about.subject if about else "pass pass",
            "what": about.what if about else "",
            "seconds": round(time.monotonic() - about.begun) if about else 0,
            "ending": ending(code),
            "trace": os.pread(self._trace, MOST_TRACE, 0).decode("utf-8", "replace"),
        }


def what_happened(code: int, account: Message) -> str:
    """Return what became of a process that ended with `code` and left `account`, as a clause."""
    what = account.get("what", "")
    if account.get("hung"):
        return f"{what} hung for {account['seconds']} s, so its process was ended"
    return f"{ending(code)}{' at ' if what else ''}{what}"


def _most_telling(found: list[Doing]) -> list[Doing]:
    """Return single calls before the pass that they belong to."""
    return sorted(found, key=lambda each: each.subject.startswith("pass "))
