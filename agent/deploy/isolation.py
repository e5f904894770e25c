"""Search for the differences that a service refuses: halving, with a bounded number of tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.deploy.differences import Difference
from agent.errors import AgentError
from agent.model.deployment import RefusedKind

NUMBERS = re.compile(r"[0-9]+")
TrialFunction = Callable[[frozenset[Difference]], AgentError | None]
"""Stages and tests a generation with these differences; returns the refusal, or None when it is accepted."""

MOST_TRIALS = 40
"""A test of a large server takes seconds: what is left after these is refused untried, and tried again later."""


def is_same_failure(one: AgentError, other: AgentError) -> bool:
    """Whether two failures say the same, but for the numbers of generations and lines in them."""
    return _without_numbers(one) == _without_numbers(other)


def _without_numbers(error: AgentError) -> tuple[str, str, str]:
    problem = error.problem
    return problem.code, problem.where, NUMBERS.sub("#", problem.cause)


def explained(refused: Mapping[Difference, AgentError], whole: AgentError) -> dict[Difference, AgentError]:
    """Return the reason that people are told of each refused difference. `whole`: why all of them together were refused.

    That is the first failure, of a candidate that nobody had taken apart. Those of its parts may come of the taking apart: a
    module without a chain is refused for having none. They are second faults where another part has failed as the whole did.
    """
    same = {difference for difference, error in refused.items() if is_same_failure(error, whole)}
    halved = {each.module for each in same if each.kind is RefusedKind.CONFIGURATION}
    told = {each for each in refused if not same or each in same or (not each.slot and each.module in halved)}
    return {each: whole if each in told else error for each, error in refused.items()}


@dataclass
class Isolation:
    """A search: the differences that a service accepts, and those that it refuses with the reason."""

    trial: TrialFunction
    accepted: frozenset[Difference] = frozenset()
    refused: dict[Difference, AgentError] = field(default_factory=dict)
    trials: int = 0

    def run(self, differences: Sequence[Difference], whole: AgentError) -> None:
        """Find the largest set that is accepted. `whole`: why all of them together were refused.

        New chains are tried with the last good configuration first, then changed configurations are halved.
        """
        chains = [difference for difference in differences if difference.kind is RefusedKind.CHAIN]
        rest = [difference for difference in differences if difference.kind is not RefusedKind.CHAIN]
        if not rest or not chains:
            self._halve(differences, whole)
            return
        self._take(chains, whole)
        self._take(rest, whole)

    def _take(self, group: Sequence[Difference], reason: AgentError) -> None:
        """Accept a group as a whole, or its accepted parts."""
        if not group:
            return
        if self.trials >= MOST_TRIALS:
            self.refused |= dict.fromkeys(group, reason)
            return
        self.trials += 1
        error = self.trial(self.accepted | frozenset(group))
        if error is None:
            self.accepted |= frozenset(group)
        else:
            self._halve(group, error)

    def _halve(self, group: Sequence[Difference], reason: AgentError) -> None:
        if len(group) == 1:
            self.refused[group[0]] = reason
            return
        middle = len(group) // 2
        self._take(group[:middle], reason)
        self._take(group[middle:], reason)
