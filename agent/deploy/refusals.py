"""Refusals: differences that a service, the preflight or the wire has refused, tried again with back-off."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from agent.deploy.deploy_context import HARMLESS, DeployContext, back_off_of
from agent.deploy.differences import Difference
from agent.deploy.retention import refused_path
from agent.errors import AgentError, Problem
from agent.errors.deploy import EARLIER_IN_PLACE, CheckRefused
from agent.errors.service import LeftOut
from agent.model.deployment import Refusal, RefusedKind
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
        stored = _stored_as(difference, error)
        known = next((each for each in self._context.store.deployments.refusals() if _is_of(each, stored)), None)
        attempts = (known.attempts if known else 0) + (0 if difference in self.errors else 1)
        now = self._context.clock()
        retry_at = now + back_off_of(error.problem, attempts)
        error = self._still_left_out(stored, error)
        self.errors[difference] = error
        problem = replace(self.problem(difference), retry_at=retry_at)
        refusal = Refusal(stored.module, stored.slot, stored.kind, stored.subject, problem, attempts, retry_at, now)
        with self._context.store.write():
            self._context.store.deployments.refuse(refusal)
        self._context.tell(
            EventKind.REFUSED, problem.cause, difference.module, slot=difference.slot, refused=str(difference.kind)
        )

    def _still_left_out(self, stored: Difference, error: AgentError) -> AgentError:
        """Return why a part is refused: where it was left out, nothing of it is in service, or only its earlier configuration."""
        of_it = [each for each in self._context.store.deployments.refusals() if _is_of_the_same(each, stored)]
        known = next((each for each in of_it if each.problem.code == LeftOut.code), None)
        if known is None or not isinstance(error, CheckRefused):
            return error
        again = LeftOut(known.problem.where, error.where, error.reason, error.detail)
        again.effect = EARLIER_IN_PLACE if known.problem.effect.startswith(EARLIER_IN_PLACE) else again.effect
        return again

    def problem(self, difference: Difference) -> Problem:
        """Return what people are told of a difference that was refused in this transaction."""
        return told(self._context, difference.module, self.errors[difference].problem)

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


def told(context: DeployContext, module: str, problem: Problem) -> Problem:
    """Return a problem that says where the refused files are.

    What it names of a candidate that was taken apart since is named as it is in the one that was kept.
    """
    place = refused_path(context, module)
    if place is None:
        return problem
    effect = f"{problem.effect} The refused files are in {place} until the next try.".lstrip()
    return replace(_in_place(context, problem), effect=effect)


def _in_place(context: DeployContext, problem: Problem) -> Problem:
    state = context.enabled.layout.state

    def kept(found: re.Match[str]) -> str:
        link = Path(found[1]) / "refused"
        return f"{found[1]}/{link.readlink()}/" if link.is_symlink() else found[0]

    named = re.compile(rf"({re.escape(str(state))}/(?:modules|services)/[^/\s]+)/[0-9]+/")
    return replace(problem, cause=named.sub(kept, problem.cause), detail=named.sub(kept, problem.detail))


def _stored_as(difference: Difference, error: AgentError) -> Difference:
    """Return what is refused for good: a path that can't be written says nothing against the chain that was to be there."""
    if difference.kind is RefusedKind.CHAIN and error.code in HARMLESS:
        return replace(difference, slot="", kind=RefusedKind.CONFIGURATION)
    return difference


def _is_of_the_same(refusal: Refusal, difference: Difference) -> bool:
    """Whether a refusal is of the same part, in whatever form: that of a new part has its chain in it."""
    known = (refusal.module, refusal.slot, refusal.kind)
    return known == (difference.module, difference.slot, difference.kind)


def _is_of(refusal: Refusal, difference: Difference) -> bool:
    known = (refusal.module, refusal.slot, refusal.kind, refusal.subject)
    return known == (difference.module, difference.slot, difference.kind, difference.subject)
