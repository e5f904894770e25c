"""The process that tells observers and notifiers of events, as its supervisor sees it: started when somebody is to be told."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from agent.daemon.child import Child, ending
from agent.daemon.event_loop import EventLoop
from agent.daemon.log import Level, Log
from agent.system.layout import Layout

PROGRAM = (sys.executable, "-P", "-m", "agent.daemon.delivery")
LINGER = 10.0
"""Seconds for which the process stays when everybody has been told: the next pass has more to tell."""
PAUSES = (1.0, 5.0, 15.0, 60.0)
"""Seconds after the first, second, ... time in a row that it has died, before it is started again."""
STOP_SECONDS = 10.0
"""For who is told to take it in, at the end; then the process is killed."""
LONGEST_WORD = 64
"""Octets of what it says."""
NOBODY = "nobody"
"""What it says at its end where nobody is to be told again: exit code 0 proves nothing, as a plugin can call `os._exit`."""


class DeliverySupervisor:
    """Supervisor of that process. Call `look` whenever the loop has woken up."""

    def __init__(
        self,
        layout: Layout,
        log: Log,
        loop: EventLoop,
        output: int | None = None,
        *,
        program: Sequence[str] = PROGRAM,
        linger: float = LINGER,
    ) -> None:
        """`output`: where the process's stderr goes; None: where this one's goes. `program`: what is started, but for options."""
        self._layout = layout
        self._log = log
        self._loop = loop
        self._output = output
        self._program = program
        self._linger = linger
        self._child: Child | None = None
        self._pipe = -1
        self._unwatch: Callable[[], None] = _nothing
        self._due: float | None = None
        """When somebody is to be told something (monotonic)."""
        self._deaths = 0

    def want(self, seconds: float) -> None:
        """Take over that somebody is to be told something in so many seconds."""
        at = time.monotonic() + seconds
        self._due = at if self._due is None else min(at, self._due)

    def look(self) -> None:
        """Start the process where it is due and not there."""
        if self._child is None and self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._start()

    @property
    def seconds(self) -> float | None:
        """Return for how long the loop may sleep; None: until something happens."""
        return None if self._child is not None or self._due is None else max(0.0, self._due - time.monotonic())

    def stop(self) -> None:
        """End the process: who is told may take it in."""
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
            deadline = None if seconds is None else time.monotonic() + seconds
            if self._child is not None:
                self._child.signal(number)
            while self._child is not None and (deadline is None or time.monotonic() < deadline):
                self._loop.wait(None if deadline is None else deadline - time.monotonic())

    def _start(self) -> None:
        self._pipe, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        argv = [*self._program, str(self._layout.root), str(self._linger), str(theirs)]
        try:
            self._child = Child(argv, [theirs], self._output)
        except OSError as error:
            os.close(self._pipe)
            self._died(error.strerror or str(error))
            return
        finally:
            os.close(theirs)
        self._unwatch = self._loop.watch(self._child.handle, self._look_for_its_end)

    def _look_for_its_end(self) -> None:
        assert self._child is not None
        code = self._child.ended()
        if code is None:
            return
        self._unwatch()
        self._child.close()
        self._child = None
        word = self._last_word()
        if code or not word:
            self._died(ending(code))
            return
        self._deaths = 0
        if word != NOBODY:
            self.want(float(word))

    def _last_word(self) -> str:
        word = b""
        with contextlib.suppress(BlockingIOError):
            word = os.read(self._pipe, LONGEST_WORD)
        os.close(self._pipe)
        return word.decode()

    def _died(self, reason: str) -> None:
        pause = PAUSES[min(self._deaths, len(PAUSES) - 1)]
        self._deaths += 1
        self._due = time.monotonic() + pause
        text = f"the process that tells observers and notifiers of events failed: {reason}; it is started again in {pause:.0f} s"
        self._log.say(text, Level.ERROR)


def _nothing() -> None:
    """Stop nothing."""
