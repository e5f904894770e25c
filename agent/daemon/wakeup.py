"""Wake-ups of the daemon: a datagram at the poke socket, a signal, or an order that has ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from agent.errors.store import SocketPathTooLong, StateUnwritable
from agent.system.layout import Layout
from agent.system.writing import make_directory

SOCKET_PATH_LIMIT = 107
"""Octets (unix(7): 108 with the final zero)."""
POKE_SIZE = 512
"""What a poke says doesn't matter."""


class WakeEvent(threading.Event):
    """Event that can be waited for together with sockets."""

    def __init__(self, wake: Callable[[], object]) -> None:
        super().__init__()
        self._wake = wake

    def set(self) -> None:
        """Set, and wake the sleeping loop."""
        super().set()
        self._wake()


class Wakeup:
    """Sleep that wake-ups end, as a context manager in the main thread: only that one is told of signals."""

    def __init__(
        self,
        layout: Layout,
        *,
        stops: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
        pokes: Collection[signal.Signals] = (signal.SIGHUP,),
    ) -> None:
        self._path = layout.poke
        self._stops = stops
        self._pokes = pokes
        self._cleanup = contextlib.ExitStack()
        self._selector = selectors.DefaultSelector()
        self.stopping = False
        """A signal has asked for the end."""
        self._poked = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._selector.close)
            self._sleeper, self._waker = map(stack.enter_context, socket.socketpair())
            self._watch(self._sleeper, lambda: None)
            self._waker.setblocking(False)
            self._watch(stack.enter_context(bound(self._path)), lambda: self._note("it was poked"))
            stack.callback(self._path.unlink, missing_ok=True)
            self._take_signals(stack)
            self._cleanup = stack.pop_all()
        self.wake_event = WakeEvent(self._wake)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def wait(self, seconds: float) -> None:
        """Sleep until something happens, or for `seconds`."""
        for key, _ in self._selector.select(max(0.0, seconds)):
            key.data()

    def watch(self, descriptor: int, then: Callable[[], None]) -> Callable[[], None]:
        """Call `then` from `wait` whenever `descriptor` can be read. Return what ends that."""
        self._selector.register(descriptor, selectors.EVENT_READ, then)
        return lambda: self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)

    def poked(self) -> str:
        """Return what asked for a pass since the last call, empty if nothing did."""
        found, self._poked = self._poked, ""
        return found

    def _note(self, what: str) -> None:
        self._poked = what

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake up anyway; closed: it has ended
            self._waker.send(b"\0")

    def _watch(self, source: socket.socket, then: Callable[[], None]) -> None:
        source.setblocking(False)

        def take() -> None:
            with contextlib.suppress(BlockingIOError):
                while source.recv(POKE_SIZE):
                    pass
            then()

        self._selector.register(source, selectors.EVENT_READ, take)

    def _take_signals(self, stack: contextlib.ExitStack) -> None:
        old = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        stack.callback(signal.set_wakeup_fd, old)
        for number in (*self._stops, *self._pokes):
            handler: Any = signal.getsignal(number)
            if number is signal.SIGHUP and number in self._stops and handler is signal.SIG_IGN:
                continue  # nohup(1)
            stack.callback(signal.signal, number, handler)
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in self._stops:
            self.stopping = True
        else:
            self._note(f"{signal.Signals(number).name} came")


def bound(path: os.PathLike[str], kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
    """Return a UNIX socket at `path` that only its owner may write to. The caller knows that no other one is alive.

    Raises `SocketPathTooLong` and `StateUnwritable`.
    """
    name = os.fspath(path)
    if len(os.fsencode(name)) > SOCKET_PATH_LIMIT:
        raise SocketPathTooLong(name)
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        _make_run(Path(name).parent)
        os.fchmod(listener.fileno(), 0o600)  # Linux gives it to the file in the same step as it makes it
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108
        listener.bind(name)
    except OSError as error:
        listener.close()
        raise StateUnwritable(name, (error.strerror or str(error)).lower()) from error
    return listener


def _make_run(directory: Path) -> None:
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        make_directory(directory, mode=0o755)
