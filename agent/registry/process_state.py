"""What all code of a process shares: a plugin that changes it would change it for every other one, so it is put back."""

from __future__ import annotations

import gc
import locale
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from agent.registry.answers import WrongAnswer


class ProcessChanged(WrongAnswer):
    """A call has changed what the whole process shares; its answer isn't used, so that its author hears of it."""


class ProcessState(NamedTuple):
    """State at one instant. It takes some microseconds: it is read before and after each call of a plugin."""

    environment: dict[bytes, bytes]
    directory: str
    zone: tuple[str, str]
    language: str
    recursion: int
    collects: bool
    socket_timeout: float | None
    stderr: object

    @classmethod
    def read(cls) -> Self:
        """Read it."""
        return cls(
            _octets().copy(),
            _directory(),
            time.tzname,
            locale.setlocale(locale.LC_ALL, None),
            sys.getrecursionlimit(),
            gc.isenabled(),
            socket.getdefaulttimeout(),
            sys.stderr,
        )

    def put_back(self, after: ProcessState) -> Iterator[str]:
        """Put back what is another one `after`; yield what that is."""
        if after.environment != self.environment:
            _put_back_environment(self.environment)
            yield "environment"
        if after.directory != self.directory and self.directory:
            with suppress(OSError):
                os.chdir(self.directory)
            yield "working directory"
        if after.zone != self.zone:
            time.tzset()
            yield "time zone"
        if after.language != self.language:
            locale.setlocale(locale.LC_ALL, self.language)
            yield "locale"
        if after.recursion != self.recursion:
            sys.setrecursionlimit(self.recursion)
            yield "recursion limit"
        if after.collects != self.collects:
            (gc.enable if self.collects else gc.disable)()
            yield "garbage collector"
        if after.socket_timeout != self.socket_timeout:
            socket.setdefaulttimeout(self.socket_timeout)
            yield "default timeout of sockets"
        if after.stderr is not self.stderr:
            sys.stderr = self.stderr
            yield "standard error"


class Changes(NamedTuple):
    """What calls have changed, and was put back."""

    words: str = ""
    is_known: bool = True
    """Whether it is the call's that has ended: no other one ran beside it."""


class ProcessWatch:
    """Watch on that state around calls, from the first one's beginning to the end of the last one that runs beside it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._together = 0
        self._before: ProcessState | None = None
        self._umask = _umask()

    def begin(self) -> None:
        """Begin a call."""
        with self._lock:
            if not self._running:
                self._before, self._together = ProcessState.read(), 0
            self._running += 1
            self._together += 1

    def end(self) -> Changes:
        """End one. The last one of those that run together puts back what they have changed."""
        with self._lock:
            self._running -= 1
            if self._running or self._before is None:
                return Changes()
            return Changes(", ".join(self._put_back(self._before)), self._together == 1)

    def _put_back(self, before: ProcessState) -> Iterator[str]:
        if (after := ProcessState.read()) != before:
            yield from before.put_back(after)
        if self._umask is not None and os.umask(self._umask) != self._umask:
            yield "umask"
        for number in _closed():
            yield f"file descriptor {number}"


def _octets() -> dict[bytes, bytes]:
    return os.environ._data  # type: ignore[attr-defined,no-any-return]  # decoding all of it takes ten times as long


def _directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - in a tenth of the time
    except OSError:  # it has been removed
        return ""


def _put_back_environment(wanted: dict[bytes, bytes]) -> None:
    for name in _octets().keys() - wanted.keys():
        del os.environb[name]
    os.environb.update({name: value for name, value in wanted.items() if _octets().get(name) != value})


def _umask() -> int | None:
    """Return the process's umask, which can't be asked for but by setting it."""
    try:
        with Path("/proc/self/status").open(encoding="ascii", errors="replace") as status:
            return next((int(line.split()[1], 8) for line in status if line.startswith("Umask:")), None)
    except OSError:
        return None


def _closed() -> Iterator[int]:
    """Yield standard descriptors that are closed; nothing else may take their place, or what is printed is written to it."""
    for number in range(3):
        try:
            os.get_inheritable(number)  # the cheapest question about it
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)  # programs that are started get it as well
            yield number
