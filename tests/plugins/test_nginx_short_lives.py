"""Local chains of the shortest lifetime on nginx: they follow each other, from pass to pass."""

from datetime import timedelta

from agent.model.handover import hands_over_at
from support.appliances.proxied import Proxied

NAME = "a.example.test"
LIVES = 5


def test_chains_of_a_day_follow_each_other_before_the_hand_over():
    with Proxied.make(sites=(NAME,), more="[source.local]\nlifetime_days = 1\n") as proxied:
        proxied.configure()
        text = proxied.layout.settings.read_text()
        proxied.layout.settings.write_text(text.replace("[probe]\n", "[probe]\ninterval = 604800\n"))
        proxied.bring_up()
        seen, end = [], proxied.clock() + LIVES * timedelta(days=1)
        while proxied.clock() < end:
            due = proxied.apply().plan.next_at
            proxied.assert_served(NAME)
            present = _bound(proxied)
            seen.append(present.id)
            assert due is not None
            assert due < hands_over_at(present.not_before, present.not_after), "it is renewed before"
            proxied.clock.advance(seconds=(due - proxied.clock()).total_seconds() + 0.5)
        assert len(set(seen)) >= 2 * LIVES - 1


def _bound(proxied: Proxied):
    with proxied.store() as store:
        bound = {each.chain for each in store.modules.bindings()}
        return next(each for each in store.chains.records() if each.id in bound and NAME in each.names)
