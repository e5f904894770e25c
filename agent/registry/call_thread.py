"""A thread that makes calls for another one, which waits only so long."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from types import FrameType


class Abandoned(BaseException):
    """The call has been given up: it is raised in its thread, to end it."""


class Call:
    """One call, and what has come of it."""

    __slots__ = ("context", "error", "value", "work")

    def __init__(self, work: Callable[[], object], context: Context) -> None:
        self.work = work
        self.context = context
        self.value: object = None
        self.error: BaseException | None = None


class CallThread(threading.Thread):
    """Thread that waits for a call and makes it, again and again: handing one over takes about 15 us."""

    def __init__(self) -> None:
        super().__init__(name="plugin", daemon=True)
        self._asked = threading.Lock()
        self._answered = threading.Lock()
        self._asked.acquire()
        self._answered.acquire()
        self._call: Call | None = None
        self._is_abandoned = False
        self.start()

    def begin(self, call: Call) -> None:
        """Have a call made; `ended` is to be asked before the next one."""
        self._call = call
        self._asked.release()

    def ended(self, seconds: float) -> bool:
        """Wait so long for the end of the call. Return whether it has come."""
        return self._answered.acquire(timeout=seconds)

    def end(self) -> None:
        """Let a thread that has nothing to do end."""
        self._is_abandoned = True
        self._asked.release()

    def run(self) -> None:
        """Make calls until one is abandoned, or the thread is to end."""
        try:
            while not self._is_abandoned:
                self._asked.acquire()
                if not self._is_abandoned:
                    self._make()
                    self._answered.release()
        except Abandoned:
            return

    def _make(self) -> None:
        call, self._call = self._call, None
        assert call is not None
        try:
            call.value = call.context.run(call.work)
        except BaseException as error:
            call.error = error

    @property
    def frame(self) -> FrameType | None:
        """What runs at this moment."""
        return sys._current_frames().get(self.ident or 0)

    def abandon(self) -> None:
        """Make no further call, and end this one as soon as a line of Python is reached."""
        self._is_abandoned = True
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or 0), ctypes.py_object(Abandoned))
