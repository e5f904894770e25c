"""What keeps a service from starting is found by what it names, else by halving, with few tests; blameless parts stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.deploy.culprits import Culprits, Place
from agent.errors import AgentError
from agent.errors.deploy import CheckRefused

SLOTS = {"proxy": ["a", "b", "c"], "portal": ["login"], "other": []}
PLACES = [(module, slot) for module, slots in SLOTS.items() for slot in ("", *slots)]


class Service:
    """A service that refuses some places, and names the first of them or none."""

    def __init__(self, bad: set[Place], *, named: bool = True, theirs: bool = False) -> None:
        self.bad, self.named, self.theirs, self.tests = bad, named, theirs, 0

    def refusal(self, out: set[Place]) -> AgentError | None:
        there = sorted(place for place in self.bad if place not in out and (place[0], "") not in out)
        if there:
            return CheckRefused("nginx", "nginx", f"in {'/'.join(there[0])}" if self.named else "no", "")
        return CheckRefused("nginx", "nginx", "their own file", "") if self.theirs else None

    def test(self, out: set[Place]) -> AgentError | None:
        self.tests += 1
        return self.refusal(out)

    def places_in(self, error: AgentError) -> list[Place]:
        return [place for place in PLACES if error.reason == f"in {'/'.join(place)}"]

    def culprits(self, whole: set[str] | None = None) -> set[Place]:
        first = self.refusal(set())
        assert first is not None
        search = Culprits(SLOTS, set(SLOTS) if whole is None else whole, self.test, self.places_in)
        return set(search.run(first))


def test_what_is_named_costs_one_test_each():
    service = Service({("proxy", "b"), ("other", "")})
    assert service.culprits() == service.bad
    assert service.tests == 2


@given(st.sets(st.sampled_from(PLACES), min_size=1), st.booleans())
def test_without_the_culprits_the_rest_is_accepted_and_none_of_them_is_blameless(bad, named):
    service = Service(bad, named=named)
    found = service.culprits()
    assert service.refusal(found) is None
    assert all(module in {name for name, _ in bad} for module, _ in found)
    assert all(place in bad or (place[1] == "" and (place[0], "") in found) for place in found)


@pytest.mark.parametrize("named", [True, False])
def test_where_somebody_elses_file_is_to_blame_nothing_is_left_out(named):
    service = Service(set(), named=named, theirs=True)
    assert service.culprits() == set()
    assert service.tests == 1


def test_a_module_that_another_service_needs_loses_its_slots_only():
    assert Service({("proxy", "b")}, named=False).culprits(whole=set()) == {("proxy", "b")}
    assert Service({("proxy", "")}, named=False).culprits(whole=set()) == set()
