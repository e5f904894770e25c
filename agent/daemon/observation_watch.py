"""Watch on what services tell of themselves: their `observe` commands are run between two passes, as short-lived processes.

The last pass has stored the commands, and a digest of what each told it. One that tells something else has a pass made, which
asks again and acts.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping

from agent.daemon.child import Child
from agent.system.environment import environment_with
from agent.system.observed_output import FAILED, LONGEST, SECONDS, digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_CHANGES = 10
"""Looks in a row at which a service tells something else: from there on only each tenth has a pass made."""


class ObservationWatch:
    """Commands of the services, run one after the other, every so many seconds."""

    def __init__(
        self,
        watch: Callable[[int, Callable[[], None]], Callable[[], None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`watch` has the sleeping loop woken up when a descriptor can be read, and returns how to end that."""
        self._watch = watch
        self._clock = clock
        self._commands: list[dict[str, Any]] = []
        self._every = 0.0
        self._next_at = 0.0
        self._waiting: list[dict[str, Any]] = []
        """Those that are still to be run this time."""
        self._running: _Running | None = None
        self._asked: dict[str, tuple[str, str]] = {}
        """Owner -> what the pass knew of it, and what it told, when a pass was asked for."""
        self._reason = ""
        self._changes: dict[str, int] = {}
        """Owner -> looks in a row at which it told something else than before."""

    @property
    def seconds(self) -> float | None:
        """Seconds until something is to be done; None: nothing is to be observed."""
        if self._running is not None:
            return max(0.0, self._running.deadline - self._clock())
        return max(0.0, self._next_at - self._clock()) if self._commands else None

    def follow(self, known: Mapping[str, Any]) -> None:
        """Take over what a pass has stored: the commands, with what they told it, and the seconds between two looks."""
        self._stop()
        self._commands, self._every = list(known.get("commands", ())), float(known.get("seconds", 60))
        self._next_at, self._reason = self._clock() + self._every, ""

    def look(self) -> str:
        """Run what is due; return why a pass is to be made, once."""
        if self._running is not None and self._clock() >= self._running.deadline:
            self._running.child.signal(signal.SIGKILL)
        elif self._running is None and self._commands and self._clock() >= self._next_at:
            self._waiting, self._next_at = list(self._commands), self._clock() + self._every
            self._begin_next()
        reason, self._reason = self._reason, ""
        return reason

    def close(self) -> None:
        """End what runs."""
        self._stop()
        self._commands = []

    def _begin_next(self) -> None:
        while self._waiting and self._running is None:
            command = self._waiting.pop(0)
            try:
                self._running = _Running(command, self._watch, self._ended, self._clock() + SECONDS)
            except OSError:  # the program is gone, or there are too many processes: a pass tells of that
                self._compare(command, FAILED)

    def _ended(self) -> None:
        running = self._running
        if running is None or (code := running.child.ended()) is None:
            return
        self._running = None
        output = running.close()
        self._compare(running.command, digest_of(output) if code == 0 else FAILED)
        self._begin_next()

    def _compare(self, command: Mapping[str, Any], told: str) -> None:
        """Ask for a pass where something else is told than at the last pass, unless one was made for the very same already."""
        owner, pair = command["owner"], (command["digest"], told)
        if told == command["digest"]:
            self._asked.pop(owner, None)
            self._changes.pop(owner, None)
        elif self._asked.get(owner) != pair:
            self._changes[owner] = self._changes.get(owner, 0) + 1
            if self._changes[owner] > MOST_CHANGES and self._changes[owner] % MOST_CHANGES:
                return  # it is never twice the same: a pass each time would go on without end
            self._reason = f"{owner} tells something else of itself"
            self._asked[owner] = pair

    def _stop(self) -> None:
        self._waiting = []
        if self._running is not None:
            self._running.child.signal(signal.SIGKILL)
            os.waitid(os.P_PIDFD, self._running.child.handle, os.WEXITED | os.WNOWAIT)
            self._running.child.ended()
            self._running.close()
            self._running = None


class _Running:
    """One command that runs, with its output in memory."""

    def __init__(
        self,
        command: dict[str, Any],
        watch: Callable[[int, Callable[[], None]], Callable[[], None]],
        ended: Callable[[], None],
        deadline: float,
    ) -> None:
        """Start it. Raises OSError."""
        self.command = command
        self.deadline = deadline
        self._output = os.memfd_create("observed")
        environment = environment_with(command["environment"])
        try:
            self.child = Child(command["argv"], said=self._output, environment=environment)
        except OSError:
            os.close(self._output)
            raise
        self._forget = watch(self.child.handle, ended)

    def close(self) -> str:
        """Return what it has printed, when it has ended."""
        self._forget()
        self.child.close()
        try:
            return os.pread(self._output, 4 * LONGEST, 0).decode(errors="replace")
        finally:
            os.close(self._output)
