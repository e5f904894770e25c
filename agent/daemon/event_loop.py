"""Event loop of a process: it sleeps until a descriptor can be read, a signal comes, or another thread wakes it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Callable, Collection
from types import FrameType, TracebackType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class EventLoop:
    """Sleep that wake-ups end, as a context manager in the main thread: only that one is told of signals."""

    def __init__(
        self,
        *,
        stops: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
        pokes: Collection[signal.Signals] = (signal.SIGHUP,),
    ) -> None:
        """`stops`: signals that ask for the end. `pokes`: signals that ask for a pass. Without any, it may be in any thread."""
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
            self._sleeper, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            for each in (self._sleeper, self._waker):
                stack.callback(os.close, each)
            self.watch(self._sleeper, self._forget_wake_ups)
            self._take_signals(stack)
            self._open(stack)
            self._cleanup = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def _open(self, stack: contextlib.ExitStack) -> None:
        """Open what else there is to wait for."""

    def wait(self, seconds: float | None) -> None:
        """Sleep until something happens, or for `seconds`."""
        for key, _ in self._selector.select(None if seconds is None else max(0.0, seconds)):
            if key.fd in self._selector.get_map():  # what came before it may have ended it
                key.data()

    def watch(self, descriptor: int, then: Callable[[], None]) -> Callable[[], None]:
        """Call `then` from `wait` whenever `descriptor` can be read. Return what ends that."""
        self._selector.register(descriptor, selectors.EVENT_READ, then)
        return lambda: self._forget(descriptor)

    def wake(self) -> None:
        """End the sleep; any thread may do so."""
        with contextlib.suppress(OSError):  # full: it will wake up anyway; closed: it has ended
            os.write(self._waker, b"\0")

    def poked(self) -> str:
        """Return what asked for a pass since the last call, empty if nothing did."""
        found, self._poked = self._poked, ""
        return found

    def note(self, what: str) -> None:
        """Note that something asks for a pass."""
        self._poked = what

    def _forget(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)

    def _forget_wake_ups(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._sleeper, 512):
                pass

    def _take_signals(self, stack: contextlib.ExitStack) -> None:
        if not self._stops and not self._pokes:
            return
        old = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
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
            self.note(f"{signal.Signals(number).name} came")
