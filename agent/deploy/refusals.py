"""Refusals: differences that a service, the preflight or the wire has refused, tried again with back-off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agent.deploy.deploy_context import DeployContext, back_off
from agent.deploy.differences import Difference
from agent.errors import AgentError
from agent.model.deployment import Refusal
from agent.model.events import EventKind
from agent.planning import Deploy


class Refusals:
    """Refusals of one transaction, and those of earlier ones whose back-off has not ended."""

    def __init__(self, context: DeployContext) -> None:
        self._context = context
        self.errors: dict[Difference, AgentError] = {}
        """Refused in this transaction."""
        self.wanted: set[str] = set()
        """Subjects of every difference, also of those that are not tried now."""
        now = context.clock()
        self._held = [refusal for refusal in context.store.deployments.refusals() if refusal.holds(now)]

    def of(self, module: str) -> dict[Difference, AgentError]:
        """Return what was refused of a module in this transaction."""
        return {difference: error for difference, error in self.errors.items() if difference.module == module}

    def may_be_tried(self, difference: Difference) -> bool:
        """Whether a difference is not refused now, and not held by its back-off."""
        return difference not in self.errors and not any(_is_of(refusal, difference) for refusal in self._held)

    def add(self, difference: Difference, error: AgentError) -> None:
        """Store a refused difference, with back-off."""
        known = next((each for each in self._context.store.deployments.refusals() if _is_of(each, difference)), None)
        attempts = (known.attempts if known else 0) + (0 if difference in self.errors else 1)
        retry_at = self._context.clock() + back_off(attempts)
        problem = replace(error.problem, retry_at=retry_at)
        self.errors[difference] = error
        refusal = Refusal(
            difference.module, difference.slot, difference.kind, difference.subject, problem, attempts, retry_at
        )
        with self._context.store.write():
            self._context.store.deployments.refuse(refusal)
        self._context.tell(
            EventKind.REFUSED, problem.cause, difference.module, slot=difference.slot, refused=str(difference.kind)
        )

    def add_all(self, differences: Iterable[Difference], error: AgentError) -> None:
        """Store each difference that is not refused yet."""
        for difference in differences:
            if difference not in self.errors:
                self.add(difference, error)

    def drop_stale(self, deploys: Iterable[Deploy]) -> None:
        """Drop stored refusals of what is no longer wanted."""
        with self._context.store.write():
            for deploy in deploys:
                refused = [difference.subject for difference in self.of(deploy.module)]
                self._context.store.deployments.drop_stale_refusals(
                    deploy.module,
                    [*deploy.chains.values(), *deploy.bound.values(), *deploy.better, *refused, *self.wanted],
                )


def _is_of(refusal: Refusal, difference: Difference) -> bool:
    known = (refusal.module, refusal.slot, refusal.kind, refusal.subject)
    return known == (difference.module, difference.slot, difference.kind, difference.subject)
