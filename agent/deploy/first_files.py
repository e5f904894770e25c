"""First files of modules whose services somebody else configures: they stay for that configuration to name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agent.deploy.deploy_context import DeployContext
from agent.errors import AgentError
from agent.errors.deploy import NotTakenUp
from agent.model.deployment import Deployment, Generation, Outcome
from agent.model.pause import back_off


class FirstFiles:
    """What is put in place for modules that have never been in service."""

    def __init__(self, context: DeployContext) -> None:
        self._context = context
        self.refused: dict[str, AgentError] = {}
        """Module -> why its service doesn't go by its files."""

    def are_kept(self, modules: Iterable[str]) -> bool:
        """Whether the files of all of these modules stay, whatever their services do."""
        asked = [*modules]
        return bool(asked) and all(self._is_first(module) for module in asked)

    def held_back(self, modules: Iterable[str]) -> bool:
        """Whether it is too early to reload the services of these modules once more."""
        now = self._context.clock()
        return any(each is not None and each.pause.holds(now) for each in map(self._last, modules))

    def note(self, module: str, generation: Generation | None, why: AgentError) -> None:
        """Note that a module waits."""
        published = [file.publish for file in (generation.files if generation else ()) if file.publish]
        self.refused[module] = NotTakenUp(module, why.problem.cause, published)

    def counted(self, waiting: Deployment) -> Deployment:
        """Return a deployment that waits with the time of the next reload."""
        if waiting.problem is None or waiting.problem.code != NotTakenUp.code:
            return waiting
        last, now = self._last(waiting.module), self._context.clock()
        attempts = last.attempts + 1 if last else 1
        retry_at = now + back_off(attempts)
        problem = replace(waiting.problem, retry_at=retry_at)
        return replace(waiting, attempts=attempts, retry_at=retry_at, tried_at=now, problem=problem)

    def _is_first(self, module: str) -> bool:
        settings = self._context.enabled.modules.get(module)
        if settings is None or not settings.keeps_first_files:
            return False
        last = self._context.deployment(module)
        served = any(row.served_at for row in self._context.store.endpoints.of(module))
        return last is None or last.generation is None or (last.outcome is Outcome.WAITING and not served)

    def _last(self, module: str) -> Deployment | None:
        """Return a module's deployment where it waits for that."""
        last = self._context.deployment(module)
        return last if last and last.problem and last.problem.code == NotTakenUp.code else None
