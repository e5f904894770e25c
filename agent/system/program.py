"""Run of a program for its output: it ends in time, or when the agent stops, and what it prints is bounded."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from agent.system.environment import environment_with

MOST = 1024 * 1024
"""Octets that a program may print; of what it says on stderr the last ones are kept."""
SAID = 64 * 1024
PAUSE = 0.1
"""Seconds after which it is looked at again, whatever it does."""
BLOCK = 65536


class ProgramFailed(OSError):
    """A program that could not be run, failed, took too long or printed too much: as text, a clause that says why."""

    def __init__(self, why: str, said: str = "") -> None:
        super().__init__(why)
        self.said = said
        """The end of what it has printed on stderr."""


def run_program(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    timeout: float = 60.0,
    stopping: Callable[[], bool] = lambda: False,
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Run a program and return what it prints on stdout, 1 MiB at most; `timeout` in seconds. Raises `ProgramFailed`.

    It is ended, with all that it has started, after `timeout` seconds and once `stopping` says so. `environment`: variables
    beside those of the agent.
    """
    with os.fdopen(os.memfd_create("stdin"), "w+b") as file:
        file.write(stdin)
        file.seek(0)
        process = _start(argv, file, environment or {})
    with process:
        run = _Run(process, time.monotonic() + timeout, timeout, stopping)
        try:
            run.read()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its number is its own until it has been waited for
        return run.output(process.wait())


def _start(argv: Sequence[str], stdin: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment_with(environment),
            start_new_session=True,
        )
    except OSError as error:
        raise ProgramFailed((error.strerror or str(error)).lower()) from error
    except ValueError as error:  # a NUL byte, or "=" in the name of a variable
        raise ProgramFailed(str(error)) from error


class _Run:
    """Reading of a program's output until it ends."""

    def __init__(
        self, process: subprocess.Popen[bytes], deadline: float, timeout: float, stopping: Callable[[], bool]
    ) -> None:
        assert process.stdout
        assert process.stderr
        self._process = process
        self._deadline = deadline
        self._timeout = timeout
        self._stopping = stopping
        self._out, self._err = process.stdout.fileno(), process.stderr.fileno()
        self._read = {self._out: b"", self._err: b""}

    @property
    def _said(self) -> str:
        return self._read[self._err].decode(errors="replace").strip()

    def read(self) -> None:
        """Read what it prints, until it has ended. Raises `ProgramFailed`."""
        with selectors.DefaultSelector() as selector:
            for each in self._read:
                selector.register(each, selectors.EVENT_READ)
            while not self._is_done(selector):
                self._check()

    def output(self, code: int) -> bytes:
        """Return stdout of a program that ended with 0. Raises `ProgramFailed`."""
        if code:
            last = self._said.rpartition("\n")[2].rstrip(".")
            raise ProgramFailed(last or f"it ended with {code}", self._said)
        return self._read[self._out]

    def _is_done(self, selector: selectors.BaseSelector) -> bool:
        """Read what is there; whether it has ended. What it leaves behind in the background is not waited for."""
        ended = os.waitid(
            os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT
        )  # it stays to be waited for
        has_ended = ended is not None
        ready = selector.select(0 if has_ended else PAUSE)
        for key, _ in ready:
            data = os.read(key.fd, BLOCK)
            self._read[key.fd] += data
            if not data:
                selector.unregister(key.fd)
        return has_ended and not ready

    def _check(self) -> None:
        self._read[self._err] = self._read[self._err][-SAID:]
        if len(self._read[self._out]) > MOST:
            raise ProgramFailed(f"it printed more than {MOST} octets", self._said)
        if self._stopping():
            raise ProgramFailed("it was ended, as the agent stops", self._said)
        if time.monotonic() >= self._deadline:
            raise ProgramFailed(f"it took longer than {self._timeout:g} s", self._said)
