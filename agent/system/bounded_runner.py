"""Runner of commands with a deadline for all of them together."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from agent.system.command import Action, Command, CommandResult, Runner


class BoundedRunner:
    """Runner that gives each command at most half of the time that is left, so that one that hangs leaves the others some."""

    def __init__(self, runner: Runner, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`deadline`: by `clock`; after it nothing is run."""
        self._runner = runner
        self._deadline = deadline
        self._clock = clock

    def run(self, action: Action) -> CommandResult:
        """Run `action`, unless time is up."""
        if not isinstance(action, Command):
            return self._runner.run(action)
        left = self._deadline - self._clock()
        if left <= 0:
            return CommandResult(action, ok=False, exit_code=None, output="", seconds=0.0, timed_out=True)
        return self._runner.run(replace(action, timeout=min(action.timeout, left / 2)))
