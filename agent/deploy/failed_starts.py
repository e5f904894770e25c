"""Starts of services that have failed: tried again with back-off, and at once when a person asks or somebody else has let go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agent.deploy.deploy_context import DeployContext
from agent.errors import AgentError
from agent.errors.deploy import StartFailed
from agent.model.deployment import Deployment
from agent.model.pause import back_off


class FailedStarts:
    """Starts that have failed, as the deployments of the modules tell them."""

    def __init__(self, context: DeployContext) -> None:
        self._context = context

    def held_back(self, modules: Iterable[str]) -> frozenset[str]:
        """Return the units of `modules` whose start has failed so lately that it is not tried again yet."""
        now = self._context.clock()
        failed = (self._last(module) for module in modules)
        return frozenset(each.problem.where for each in failed if each and each.problem and each.pause.holds(now))

    def counted(self, waiting: Deployment, down: AgentError) -> Deployment:
        """Return a deployment that waits with the time of the next try. `down`: why it waits.

        A start that was held back is told as before.
        """
        last = self._last(waiting.module)
        if not isinstance(down, StartFailed):
            if last is None or not self.held_back([waiting.module]):
                return waiting
            return replace(
                waiting,
                problem=last.problem,
                attempts=last.attempts,
                retry_at=last.retry_at,
                tried_at=last.tried_at,
            )
        attempts = last.attempts + 1 if last else 1
        now = self._context.clock()
        retry_at = now + back_off(attempts)
        problem = replace(down.problem, retry_at=retry_at)
        return replace(waiting, attempts=attempts, retry_at=retry_at, tried_at=now, problem=problem)

    def _last(self, module: str) -> Deployment | None:
        """Return a module's deployment where it waits because a start has failed."""
        last = self._context.deployment(module)
        return last if last and last.problem and last.problem.code == StartFailed.code else None
