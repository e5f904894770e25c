"""Search for the parts that keep a service from starting with what is in place: by what it names, then by halving."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeVar

from agent.deploy.differences import Difference
from agent.deploy.isolation import Isolation
from agent.errors import AgentError
from agent.model.deployment import RefusedKind

T = TypeVar("T")
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
    """Of each module."""
    whole: Set[str]
    """Modules that can be left out as a whole, beside their slots alone."""
    trial: TrialWithout
    named: Callable[[AgentError], Iterable[Place]]
    """Returns the places whose files a refusal names."""
    found: dict[Place, AgentError] = field(default_factory=dict)

    def run(self, first: AgentError) -> dict[Place, AgentError]:
        """Return the culprits; none where the rest is refused without any of them too. `first`: why all together are refused."""
        error = self._leave_out_named(first)
        if error is None:
            return self.found
        everything = {module: self._all_of(module) for module in self.slots}
        if self.trial(set().union(*everything.values())) is not None:
            return {}
        modules = self._isolated(everything, self.found.keys(), error)
        for module, why in modules.items():
            others = [everything[each] for each in modules if each != module]
            self.found |= self._within(module, self.found.keys() | set().union(*others), why)
        return self.found

    def _leave_out_named(self, error: AgentError) -> AgentError | None:
        """Leave out what the service names, one refusal after the other. Return the first that names nothing more."""
        for _ in range(MOST_NAMED):
            named = [place for place in self.named(error) if place not in self.found and self._can_be_left_out(place)]
            if not named:
                break
            self.found |= dict.fromkeys(named, error)
            again = self.trial(self.found.keys())
            if again is None:
                return None
            error = again
        return error

    def _can_be_left_out(self, place: Place) -> bool:
        module, slot = place
        return slot in self.slots.get(module, ()) or (not slot and module in self.whole)

    def _all_of(self, module: str) -> frozenset[Place]:
        return frozenset([(module, "")] if module in self.whole else ((module, slot) for slot in self.slots[module]))

    def _within(self, module: str, out: Set[Place], why: AgentError) -> dict[Place, AgentError]:
        """Return which slots of a module are refused; the module as a whole where it is refused without any of them."""
        slots = [(module, slot) for slot in self.slots[module] if (module, slot) not in self.found]
        out = out - self._all_of(module)
        if module in self.whole and (not slots or self.trial({*out, *slots}) is not None):
            return {(module, ""): why}
        return self._isolated({place: frozenset([place]) for place in slots}, out, why)

    def _isolated(self, groups: Mapping[T, Set[Place]], out: Set[Place], why: AgentError) -> dict[T, AgentError]:
        """Return which of `groups` are refused while `out` is left out."""
        known = {Difference(str(number), "", RefusedKind.CONFIGURATION, ""): each for number, each in enumerate(groups)}

        def trial(accepted: frozenset[Difference]) -> AgentError | None:
            return self.trial(out | set().union(*(groups[each] for key, each in known.items() if key not in accepted)))

        isolation = Isolation(trial)
        isolation.run(list(known), why)
        return {known[difference]: error for difference, error in isolation.refused.items()}
