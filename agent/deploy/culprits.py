"""Search for the parts that keep a service from starting with what is in place: by what it names, then by halving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from agent.deploy.differences import Difference
from agent.deploy.isolation import Isolation
from agent.errors import AgentError
from agent.model.deployment import RefusedKind

Place = tuple[str, str]
"""Module and slot; "" is the module as a whole."""
TrialWithout = Callable[[Set[Place]], AgentError | None]
"""Tests what is in place without these; returns the refusal, or None when it is accepted."""

MOST_NAMED = 20
"""Times that what the service names is left out, before it is searched for."""


@dataclass
class Culprits:
    """A search: the places without which the service accepts the rest, each with the reason."""

    slots: Mapping[str, Sequence[str]]
    """Of each module that can be left out."""
    trial: TrialWithout
    named: Callable[[AgentError], Iterable[Place]]
    """Returns the places whose files a refusal names."""
    found: dict[Place, AgentError] = field(default_factory=dict)

    def run(self, first: AgentError) -> dict[Place, AgentError]:
        """Return the culprits; none where the rest is refused without any of them too. `first`: why all together are refused."""
        error = self._leave_out_named(first)
        if error is None:
            return self.found
        if self.trial({(module, "") for module in self.slots}) is not None:
            return {}
        whole = self._isolated(
            [(module, "") for module in self.slots if (module, "") not in self.found], self.found, error
        )
        for (module, _), why in whole.items():
            others = {*self.found, *(place for place in whole if place[0] != module)}
            self.found |= self._within(module, others, why)
        return self.found

    def _leave_out_named(self, error: AgentError) -> AgentError | None:
        """Leave out what the service names, one refusal after the other. Return the first that names nothing more."""
        for _ in range(MOST_NAMED):
            named = [place for place in self.named(error) if place not in self.found]
            if not named:
                break
            self.found |= dict.fromkeys(named, error)
            again = self.trial(self.found.keys())
            if again is None:
                return None
            error = again
        return error

    def _within(self, module: str, out: Set[Place], why: AgentError) -> dict[Place, AgentError]:
        """Return which slots of a module are refused; the module as a whole where it is refused without any of them."""
        slots = [(module, slot) for slot in self.slots[module] if (module, slot) not in out]
        if not slots or self.trial({*out, *slots}) is not None:
            return {(module, ""): why}
        return self._isolated(slots, out, why)

    def _isolated(self, places: Sequence[Place], out: Iterable[Place], why: AgentError) -> dict[Place, AgentError]:
        """Return which of `places` are refused while `out` is left out."""
        out = set(out)
        known = {Difference(*place, RefusedKind.CONFIGURATION, ""): place for place in places}

        def trial(accepted: frozenset[Difference]) -> AgentError | None:
            return self.trial({*out, *(place for each, place in known.items() if each not in accepted)})

        isolation = Isolation(trial)
        isolation.run(list(known), why)
        return {known[difference]: error for difference, error in isolation.refused.items()}
