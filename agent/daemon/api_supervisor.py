"""The socket of the local API, and the process behind it: it starts when somebody connects, and ends when nobody asks.

What it takes to answer is in memory only meanwhile, and a crash of it harms nothing: the next process answers those who wait.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from agent.daemon.bound_socket import BoundSocket
from agent.daemon.child import Child, ending
from agent.daemon.event_loop import EventLoop
from agent.daemon.log import Level, Log
from agent.system.layout import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

ACCEPT_SECONDS = 60.0
"""For the process to start, and to accept who waits; then it hangs, and is killed."""
BACKLOG = 64
"""Connections that wait while the process starts."""
GRACE = 10.0
"""Seconds for the process to end, then it is killed."""
PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds after the first, second, ... failure in a row, before the process is started again."""
PROGRAM = (sys.executable, "-P", "-m", "agent")
SETTLED = 5.0
"""A process that has failed before counts as running when it has lived for so many seconds."""


class ApiSupervisor:
    """Supervisor of the API's process, as a context manager. Call `look` whenever the loop has woken up."""

    def __init__(
        self,
        layout: Layout,
        log: Log,
        loop: EventLoop,
        output: Path | None = None,
        *,
        note: Callable[[str], object] = lambda _reason: None,
        program: Sequence[str] = PROGRAM,
        accept_seconds: float = ACCEPT_SECONDS,
    ) -> None:
        """`note` is told why the process fails, and an empty text when it runs again.

        `output`: where the process's stderr goes; None: where this one's goes. `program`: what is started, but for options.
        """
        self._layout = layout
        self._log = log
        self._loop = loop
        self._output = output
        self._note = note
        self._program = program
        self._accept_seconds = accept_seconds
        self._web = frozenset[int]() if os.geteuid() == 0 else frozenset({os.geteuid()})
        self._group: int | None = None
        """Of the web interface, which may connect."""
        self._child: Child | None = None
        self._unwatch: Callable[[], None] | None = None
        """Ends the watch on the listener, or on the process."""
        self._started_for = self._web
        self._failures = 0
        self._paused_until: float | None = None
        self._waiting_since: float | None = None
        """Since when somebody waits whom the process does not accept (monotonic)."""
        self._settles_at: float | None = None
        """When a process that runs after a failure counts as running."""

    def __enter__(self) -> Self:
        self._bound = BoundSocket(self._layout.api, socket.SOCK_STREAM)
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._bound.__exit__()

    def admit(self, users: Iterable[str]) -> None:
        """Let processes of these users connect, beside the agent's own and root's; the first one's group opens the socket.

        A user that doesn't exist is left out. Without root there is nobody else: nothing can be given to another user.
        """
        if os.geteuid() != 0:
            return
        found = [entry for entry in map(_entry, users) if entry is not None]
        self._group = next((entry.pw_gid for entry in found if entry.pw_uid != 0), None)
        self._open_to_group()
        self._web = frozenset(entry.pw_uid for entry in found)

    def failed_before(self) -> None:
        """Take over that an earlier agent has noted a failure: it is found out at once whether the process runs now."""
        self._failures = max(1, self._failures)

    def look(self) -> None:
        """Do what is due."""
        if self._bound.lost:
            self._bind_again()
        if self._settles_at is not None and time.monotonic() >= self._settles_at:
            self._succeeded()
        if self._child is None:
            self._look_for_callers()
        else:
            self._look_after(self._child)

    @property
    def seconds(self) -> float | None:
        """Return for how long the loop may sleep; None: until something happens."""
        until = self._paused_until if self._settles_at is None else self._settles_at
        return None if until is None else max(0.0, until - time.monotonic())

    def _look_after(self, child: Child) -> None:
        if self._accepts_nobody():
            child.signal(signal.SIGKILL)
        elif self._started_for != self._web:
            child.signal(signal.SIGTERM)

    def _accepts_nobody(self) -> bool:
        """Whether somebody has waited at each look for so long that the process hangs, or is stopped."""
        poll = select.poll()
        poll.register(self._bound.socket, select.POLLIN)
        if not poll.poll(0):
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
        return self._waiting_since is not None and time.monotonic() >= self._waiting_since + self._accept_seconds

    def _listen(self) -> None:
        self._bound.socket.listen(BACKLOG)
        self._bound.socket.setblocking(False)

    def _open_to_group(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # it was removed, and is bound again
            os.chown(self._layout.api, 0, self._group or 0)
            self._layout.api.chmod(0o600 if self._group is None else 0o660)

    def _bind_again(self) -> None:
        """Take connections at another socket in place of the one that was removed; the process has that one, and ends."""
        lost, found = self._bound, self._bound.again()
        if found is None:
            return
        self._bound = found
        if self._child is None:
            self._stop_watching()
        else:
            self._child.signal(signal.SIGTERM)
        lost.socket.close()
        self._listen()
        if os.geteuid() == 0:
            self._open_to_group()

    def _look_for_callers(self) -> None:
        if self._paused_until is not None and time.monotonic() < self._paused_until:
            return
        self._paused_until = None
        if self._failures and self._unwatch is None:
            self._start()  # whether or not somebody waits: so it is seen that it runs again
        elif self._unwatch is None:
            self._unwatch = self._loop.watch(self._bound.socket.fileno(), self._start)

    def _start(self) -> None:
        self._stop_watching()
        self._started_for, self._waiting_since = self._web, None
        descriptor = self._bound.socket.fileno()
        argv = [*map(str, self._program), "--root", str(self._layout.root), "api", "--fd", str(descriptor)]
        argv += [word for uid in sorted(self._web) for word in ("--web-uid", str(uid))]
        try:
            with contextlib.ExitStack() as stack:
                output = stack.enter_context(self._output.open("ab")).fileno() if self._output else None
                self._child = Child(argv, [descriptor], output)
        except OSError as error:
            self._failed(error.strerror or str(error))
            return
        self._unwatch = self._loop.watch(self._child.handle, self._look_for_its_end)
        self._settles_at = time.monotonic() + SETTLED if self._failures else None

    def _stop_watching(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    def _look_for_its_end(self) -> None:
        assert self._child is not None
        code = self._child.ended()
        if code is None:
            return
        self._stop_watching()
        self._child.close()
        self._child = None
        if code:
            self._failed(ending(code))
        else:
            self._succeeded()

    def _succeeded(self) -> None:
        self._settles_at = None
        if self._failures:
            self._failures = 0
            self._note("")

    def _failed(self, reason: str) -> None:
        self._settles_at = None
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        self._paused_until = time.monotonic() + pause
        self._log.say(f"the process of the API failed: {reason}; it answers again in {pause:.0f} s", Level.ERROR)
        self._note(reason)

    def _stop(self) -> None:
        deadline = time.monotonic() + GRACE
        for number, until in ((signal.SIGTERM, deadline), (signal.SIGKILL, None)):
            if self._child is not None:
                self._child.signal(number)
            while self._child is not None and (until is None or time.monotonic() < until):
                self._loop.wait(None if until is None else until - time.monotonic())
        self._stop_watching()


def _entry(user: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        return None
