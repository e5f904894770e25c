"""Wake-ups of the daemon: a datagram at the poke socket, a signal, or an order that has ended."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import threading
from collections.abc import Callable, Collection
from types import FrameType, TracebackType
from typing import Any, Self

from agent.daemon.bound_socket import BoundSocket
from agent.errors.store import StateUnwritable
from agent.system.layout import Layout

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
            self._bound = BoundSocket(self._path)
            stack.push(lambda *_: self._bound.__exit__())
            self._listen()
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

    def restore(self) -> None:
        """Bind the socket again where somebody has removed it, or the directory that it is in."""
        if not self._bound.lost:
            return
        with contextlib.suppress(StateUnwritable):
            lost, self._bound = self._bound, self._bound.again()
            self._selector.unregister(lost.socket)
            lost.socket.close()
            self._listen()
            self._note("its socket was removed")

    def _listen(self) -> None:
        self._watch(self._bound.socket, lambda: self._note("it was poked"))

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
