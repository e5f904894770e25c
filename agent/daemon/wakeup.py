"""Wake-ups of the supervisor: a signal, or a datagram at the poke socket, which may name a job."""

from __future__ import annotations

import contextlib
import signal
from collections import deque
from collections.abc import Callable, Collection

from agent.daemon.bound_socket import BoundSocket
from agent.daemon.event_loop import EventLoop
from agent.system.layout import Layout

POKE_SIZE = 512
"""Octets of a datagram that are read."""
JOB = b"job "
"""What a datagram begins with that asks for a job; its id follows. What any other one says doesn't matter."""
ID_SIZE = 64
"""Characters of a job's id at most."""
MOST_JOBS = 1000
"""Jobs that wait at most: as many rows of them are kept."""


class Wakeup(EventLoop):
    """Event loop with the poke socket."""

    def __init__(
        self,
        layout: Layout,
        *,
        stops: Collection[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
        pokes: Collection[signal.Signals] = (signal.SIGHUP,),
    ) -> None:
        super().__init__(stops=stops, pokes=pokes)
        self._path = layout.poke
        self._bound: BoundSocket
        self._unwatch: Callable[[], None]
        self.jobs: deque[str] = deque(maxlen=MOST_JOBS)
        """Ids of the jobs that were asked for and not begun, the first one first."""

    def restore(self) -> None:
        """Bind the socket again where somebody has removed it, or the directory that it is in."""
        lost, found = self._bound, self._bound.again() if self._bound.lost else None
        if found is not None:
            self._bound = found
            self._unwatch()
            lost.socket.close()
            self._listen()
            self.note("its socket was removed")

    def _open(self, stack: contextlib.ExitStack) -> None:
        self._bound = BoundSocket(self._path)
        stack.push(lambda *_: self._bound.__exit__())
        self._listen()

    def _listen(self) -> None:
        self._bound.socket.setblocking(False)
        self._unwatch = self.watch(self._bound.socket.fileno(), self._take)

    def _take(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._read(self._bound.socket.recv(POKE_SIZE))

    def _read(self, datagram: bytes) -> None:
        job = datagram.removeprefix(JOB).decode("ascii", "replace")
        if not datagram.startswith(JOB):
            self.note("it was poked")
        elif job.isalnum() and len(job) <= ID_SIZE and job not in self.jobs:
            self.jobs.append(job)
