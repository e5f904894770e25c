"""Search for the differences that a service refuses: halving, with a bounded number of tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.deploy.differences import Difference
from agent.errors import AgentError
from agent.model.deployment import RefusedKind

TrialFunction = Callable[[frozenset[Difference]], AgentError | None]
"""Stages and tests a generation with these differences; returns the refusal, or None when it is accepted."""

MOST_TRIALS = 40
"""A test of a large server takes seconds: what is left after these is refused untried, and tried again later."""


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
