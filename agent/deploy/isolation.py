"""Which difference does a service refuse? Halving, with a bounded number of tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agent.deploy.differences import Toggle
from agent.errors import AgentError
from agent.model.deployment import RefusedKind

Trial = Callable[[frozenset[Toggle]], AgentError | None]
"""Stages and tests a generation with these differences; returns the refusal, or None when it is accepted."""

MOST_TRIALS = 40
"""Tests of a large server take seconds each: whatever is left then is refused untried, and tried again later."""


@dataclass
class Isolation:
    """The differences that a service accepts, and those that it refuses with the reason."""

    trial: Trial
    accepted: frozenset[Toggle] = frozenset()
    refused: dict[Toggle, AgentError] = field(default_factory=dict)
    trials: int = 0

    def run(self, toggles: Sequence[Toggle], whole: AgentError) -> None:
        """Find the largest set that is accepted. `whole`: why all of them together were refused.

        New chains are tried with the last good configuration first, then changed configurations are halved.
        """
        chains = [toggle for toggle in toggles if toggle.kind is RefusedKind.CHAIN]
        rest = [toggle for toggle in toggles if toggle.kind is not RefusedKind.CHAIN]
        if not rest or not chains:
            self._halve(toggles, whole)
            return
        self._take(chains, whole)
        self._take(rest, whole)

    def _take(self, group: Sequence[Toggle], reason: AgentError) -> None:
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

    def _halve(self, group: Sequence[Toggle], reason: AgentError) -> None:
        if len(group) == 1:
            self.refused[group[0]] = reason
            return
        middle = len(group) // 2
        self._take(group[:middle], reason)
        self._take(group[middle:], reason)
