"""The socket of the local API, and the process behind it: it starts when somebody connects, and ends when nobody asks.

What it takes to answer is in memory only meanwhile, and a crash of it harms nothing: the next process answers those who wait.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.daemon.log import Level, Log
from agent.daemon.wakeup import bound
from agent.system.layout import Layout

BACKLOG = 64
"""Connections that wait while the process starts."""
GRACE = 10.0
"""Seconds for the process to end, then it is killed."""
PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds after the first, second, ... failure in a row, before the process is started again."""


class ApiSupervisor:
    """Supervisor of the API's process, as a context manager.

    It works in a thread of its own: a pass may take long, and somebody may want to look meanwhile.
    """

    def __init__(self, layout: Layout, log: Log, output: Path | None = None) -> None:
        """`output`: where the process's stderr goes; None: where this one's goes."""
        self._layout = layout
        self._log = log
        self._output = output
        self._web = frozenset[int]() if os.geteuid() == 0 else frozenset({os.geteuid()})
        self._selector = selectors.DefaultSelector()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_for = self._web
        self._failures = 0
        self._paused_until: float | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="api supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._listener = bound(self._layout.api, socket.SOCK_STREAM)
        self._listener.listen(BACKLOG)
        self._sleeper, self._waker = socket.socketpair()
        for each in (self._sleeper, self._waker, self._listener):
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
        self._layout.api.unlink(missing_ok=True)
        for each in (self._selector, self._sleeper, self._waker, self._listener):
            each.close()

    def admit(self, users: Iterable[str]) -> None:
        """Let processes of these users connect, beside the agent's own and root's; the first one's group opens the socket.

        A user that doesn't exist is left out. Without root there is nobody else: nothing can be given to another user.
        """
        if os.geteuid() != 0:
            return
        found = [entry for entry in map(_entry, users) if entry is not None]
        group = next((entry.pw_gid for entry in found if entry.pw_uid != 0), None)
        with contextlib.suppress(FileNotFoundError):  # it was removed: the agent has to be restarted
            os.chown(self._layout.api, 0, group or 0)
            self._layout.api.chmod(0o600 if group is None else 0o660)
        self._web = frozenset(entry.pw_uid for entry in found)
        self._wake()

    # In the thread

    def _serve(self) -> None:
        while not self._closing:
            if self._process is None:
                self._look_for_callers()
            elif self._started_for != self._web:
                self._process.terminate()
            for key, _ in self._selector.select(self._seconds()):
                self._take(key)
        self._stop()

    def _seconds(self) -> float | None:
        return None if self._paused_until is None else max(0.0, self._paused_until - time.monotonic())

    def _look_for_callers(self) -> None:
        watched = self._listener in self._selector.get_map()
        if self._paused_until is not None and time.monotonic() < self._paused_until:
            return
        self._paused_until = None
        if not watched:
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
        argv = [sys.executable, "-P", "-m", "agent", "--root", str(self._layout.root), "api", "--fd", str(descriptor)]
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

    def _ended(self) -> None:
        assert self._process is not None
        code = self._process.wait()
        self._process = None
        if code:
            self._failed(f"it ended with code {code}" if code > 0 else f"signal {-code} ended it")
        else:
            self._failures = 0

    def _failed(self, reason: str) -> None:
        pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        self._paused_until = time.monotonic() + pause
        self._log.say(f"the process of the API failed: {reason}; it answers again in {pause:.0f} s", Level.ERROR)

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
