"""The socket of the local API, and the process behind it: it starts when somebody connects, and ends when nobody asks.

What it takes to answer is in memory only meanwhile, and a crash of it harms nothing: the next process answers those who wait.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.daemon.bound_socket import BoundSocket
from agent.daemon.log import Level, Log
from agent.errors import AgentError
from agent.health.problems import api_failed
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store
from agent.system.clock import utc_now
from agent.system.layout import Layout

BACKLOG = 64
"""Connections that wait while the process starts."""
GRACE = 10.0
"""Seconds for the process to end, then it is killed."""
PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds after the first, second, ... failure in a row, before the process is started again."""
PROGRAM = (sys.executable, "-P", "-m", "agent")
SETTLED = 5.0
"""A process that has failed before counts as running when it has lived for so many seconds."""
SCOPE, SUBJECT = "api", "local API"
"""Of the condition that tells that it fails."""


class ApiSupervisor:
    """Supervisor of the API's process, as a context manager.

    It works in a thread of its own: a pass may take long, and somebody may want to look meanwhile.
    """

    def __init__(
        self,
        layout: Layout,
        log: Log,
        output: Path | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        """`output`: where the process's stderr goes; None: where this one's goes. `program`: what is started, but for options."""
        self._layout = layout
        self._log = log
        self._output = output
        self._clock = clock
        self._program = program
        self._web = frozenset[int]() if os.geteuid() == 0 else frozenset({os.geteuid()})
        self._group: int | None = None
        """Of the web interface, which may connect."""
        self._selector = selectors.DefaultSelector()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_for = self._web
        self._failures = 0
        self._paused_until: float | None = None
        self._settles_at: float | None = None
        """When a process that runs after a failure counts as running."""
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="api supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._bound = BoundSocket(self._layout.api, socket.SOCK_STREAM)
        self._listen()
        self._sleeper, self._waker = socket.socketpair()
        for each in (self._sleeper, self._waker):
            each.setblocking(False)
        self._selector.register(self._sleeper, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._wake()
        self._thread.join()
        self._bound.__exit__()
        for each in (self._selector, self._sleeper, self._waker):
            each.close()

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
        self._wake()

    def restore(self) -> None:
        """Have the socket bound again where somebody has removed it, or the directory that it is in."""
        if self._bound.lost:
            self._wake()

    def _listen(self) -> None:
        self._listener = self._bound.socket
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)

    def _open_to_group(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # it was removed, and is bound again
            os.chown(self._layout.api, 0, self._group or 0)
            self._layout.api.chmod(0o600 if self._group is None else 0o660)

    # In the thread

    def _bind_again(self) -> None:
        """Take connections at another socket in place of the one that was removed; the process has that one, and ends."""
        lost = self._bound
        with contextlib.suppress(AgentError):
            self._bound = lost.again()
            if lost.socket in self._selector.get_map():
                self._selector.unregister(lost.socket)
            lost.socket.close()
            self._listen()
            if os.geteuid() == 0:
                self._open_to_group()
            if self._process is not None:
                self._process.terminate()

    def _serve(self) -> None:
        self._failures = self._noted_before()
        while not self._closing:
            if self._bound.lost:
                self._bind_again()
            if self._process is None:
                self._look_for_callers()
            elif self._started_for != self._web:
                self._process.terminate()
            for key, _ in self._selector.select(self._seconds()):
                self._take(key)
            if self._settles_at is not None and time.monotonic() >= self._settles_at:
                self._succeeded()
        self._stop()

    def _seconds(self) -> float | None:
        until = self._paused_until if self._settles_at is None else self._settles_at
        return None if until is None else max(0.0, until - time.monotonic())

    def _look_for_callers(self) -> None:
        watched = self._listener in self._selector.get_map()
        if self._paused_until is not None and time.monotonic() < self._paused_until:
            return
        self._paused_until = None
        if self._failures and not watched:
            self._start()  # whether or not somebody waits: so it is seen that it runs again
        elif not watched:
            self._selector.register(self._listener, selectors.EVENT_READ)

    def _take(self, key: selectors.SelectorKey) -> None:
        if key.fileobj is self._sleeper:
            with contextlib.suppress(BlockingIOError):
                while self._sleeper.recv(64):
                    pass
        elif key.fileobj is self._listener:
            self._selector.unregister(self._listener)
            self._start()
        else:
            self._selector.unregister(key.fileobj)
            os.close(key.fd)
            self._ended()

    def _start(self) -> None:
        self._started_for = self._web
        descriptor = self._listener.fileno()
        argv = [*self._program, "--root", str(self._layout.root), "api", "--fd", str(descriptor)]
        argv += [word for uid in sorted(self._web) for word in ("--web-uid", str(uid))]
        try:
            with contextlib.ExitStack() as stack:
                output = stack.enter_context(self._output.open("ab")) if self._output else None
                # A session of its own: Ctrl-C is for this process, which then ends that one.
                self._process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output or subprocess.DEVNULL,
                    stderr=output,
                    pass_fds=[descriptor],
                    start_new_session=True,
                )
        except OSError as error:
            self._failed(error.strerror or str(error))
            return
        self._selector.register(os.pidfd_open(self._process.pid), selectors.EVENT_READ)
        self._settles_at = time.monotonic() + SETTLED if self._failures else None

    def _ended(self) -> None:
        assert self._process is not None
        code = self._process.wait()
        self._process = None
        if code:
            self._failed(f"it ended with code {code}" if code > 0 else f"signal {-code} ended it")
        else:
            self._succeeded()

    def _succeeded(self) -> None:
        self._settles_at = None
        if self._failures:
            self._failures = 0
            self._note([])

    def _failed(self, reason: str) -> None:
        self._settles_at = None
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        self._paused_until = time.monotonic() + pause
        self._log.say(f"the process of the API failed: {reason}; it answers again in {pause:.0f} s", Level.ERROR)
        self._note([Finding(SubjectKind.APPLIANCE, SUBJECT, Severity.WARNING, api_failed(reason))])

    def _noted_before(self) -> int:
        """Return 1 where the last agent here has left the note that the process fails: it is found out at once."""
        with contextlib.suppress(AgentError, sqlite3.Error), Store.open_read_only(self._layout) as store:
            return len(store.conditions.of(SCOPE))
        return 0

    def _note(self, findings: list[Finding]) -> None:
        """Keep in the store what somebody should know of the process. A store that can't be written tells of itself."""
        failures = contextlib.suppress(AgentError, sqlite3.Error)
        with failures, Store.open_existing(self._layout) as store, store.write():
            store.conditions.replace(SCOPE, findings, self._clock())

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: it will wake up anyway
            self._waker.send(b"\0")


def _entry(user: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        return None
