"""The pass process, as its supervisor sees it: started when there is something to ask, listened to, ended, started again."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence

from agent.daemon.channel import Channel, Message
from agent.daemon.child import Child
from agent.daemon.event_loop import EventLoop
from agent.daemon.hang_watch import HangWatch
from agent.system.layout import Layout

PROGRAM = (sys.executable, "-P", "-m", "agent.daemon")
BEGIN_SECONDS = 300.0
"""For the process to start and to begin what it was asked, or to look at what serves."""
STOP_TICK = 0.5
"""Seconds between two looks whether what it does at its end hangs."""
STOP_SECONDS = 150.0
"""For a pass that runs and the orders after it to end, before the process is killed."""


class PassSupervisor:
    """Supervisor of the one process that makes passes. It is asked one thing at a time."""

    def __init__(
        self,
        layout: Layout,
        loop: EventLoop,
        *,
        heard: Callable[[Message], object],
        ended: Callable[[int, Message | None, Message | None], object],
        who: str,
        program: Sequence[str] = PROGRAM,
        output: int | None = None,
        begin_seconds: float = BEGIN_SECONDS,
    ) -> None:
        """`heard` is told each message.

        `ended` is told the exit code, what was asked and not answered, and what it was about when it hung or died
        (`HangWatch.account`; None: it has ended of its own accord). `program`: what is started, but for root, `who` and
        descriptors. `output`: where its stderr goes; None: where this one's goes.
        """
        self._layout = layout
        self._loop = loop
        self._heard = heard
        self._ended = ended
        self._who = who
        self._program = program
        self._output = output
        self._hang_watch = HangWatch(begin_seconds)
        self._child: Child | None = None
        self._channel: Channel | None = None
        self._unlisten: Callable[[], None] = _nothing
        self._unwatch: Callable[[], None] = _nothing
        self._number = 0
        self._has_taken_leave = False
        self.asked: Message | None = None
        """What was asked last and not answered."""
        self.is_passing = False
        """Whether a pass is made at this moment."""

    def ask(self, **message: object) -> None:
        """Ask for a pass. Raises OSError when there is no process and none can be started."""
        self._number += 1
        asked: Message = {"number": self._number, **message}
        self.tell(**asked)
        self.asked, self.is_passing = asked, True
        self._hang_watch.expect()

    def tell(self, **message: object) -> None:
        """Tell the process something that it doesn't answer. Raises OSError as `ask` does."""
        if self._channel is None:
            self._start()
        assert self._channel is not None
        self._channel.send(**message)

    def look(self) -> None:
        """End the process where what it does hangs: first it is made to say where it is."""
        if self._child is not None:
            self._hang_watch.look(self._child)

    @property
    def seconds(self) -> float | None:
        """Return for how long the loop may sleep; None: until something happens."""
        return self._hang_watch.seconds if self._child is not None else None

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End the process: it may end its pass, and gives orders their grace, before it is killed."""
        deadline = time.monotonic() + seconds
        self._signal(signal.SIGTERM)
        while self._child is not None and time.monotonic() < deadline:
            self.look()
            self._loop.wait(min(deadline - time.monotonic(), STOP_TICK))
        self._signal(signal.SIGKILL)
        while self._child is not None:
            self._loop.wait(None)

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            self._child.signal(number)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            given = [theirs.fileno(), *self._hang_watch.begin()]
            self._child = Child(
                [*self._program, str(self._layout.root), self._who, *map(str, given)], given, self._output
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel, self._has_taken_leave = Channel(ours), False
        self._unlisten = self._loop.watch(ours.fileno(), self._listen)
        self._unwatch = self._loop.watch(self._child.handle, self._look_for_its_end)

    def _listen(self) -> None:
        if self._channel is None:
            return
        for message in self._channel.received():
            self._has_taken_leave = self._has_taken_leave or "ends" in message
            self._take(message)
            self._heard(message)
        if self._channel.over:
            self._stop_listening()  # what is left is its end

    def _take(self, message: Message) -> None:
        if "begins" in message:
            self.is_passing = True
            self._hang_watch.expect_nothing()
        if "outcome" in message:
            self.is_passing = False
            if self.asked is not None and message["number"] == self.asked["number"]:
                self.asked = None
                self._hang_watch.expect_nothing()
            elif self.asked is not None:
                self._hang_watch.expect()

    def _look_for_its_end(self) -> None:
        assert self._child is not None
        code = self._child.ended()
        if code is None:
            return
        self._listen()  # to its last words
        self._close()
        asked, self.asked, self.is_passing = self.asked, None, False
        is_well = code == 0 and self._has_taken_leave
        self._ended(code, asked, None if is_well else self._hang_watch.account(code))

    def _stop_listening(self) -> None:
        unlisten, self._unlisten = self._unlisten, _nothing
        unlisten()

    def _close(self) -> None:
        assert self._child is not None
        assert self._channel is not None
        self._stop_listening()
        self._unwatch()
        self._child.close()
        self._channel.close()
        self._child, self._channel = None, None


def _nothing() -> None:
    """Stop nothing."""
