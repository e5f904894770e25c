"""Names that a CA could not validate: served beside the others of their site, on a real nginx."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from agent.model.events import EventKind
from agent.model.need import HostFacts
from plugins.reverse_proxy import ReverseProxy
from support.appliances.proxied import Proxied
from support.appliances.staged import HOST
from support.clients.http import ask, ask_plainly, presented, proxy, status_of
from support.waiting import until

SITE = {"domains": ["a.example.com", "b.example.com", "c.example.com"]}


def failing(*names: str) -> HostFacts:
    return HostFacts(name=HOST.name, addresses=HOST.addresses, failing=names)


def test_a_name_that_fails_is_served_with_a_chain_of_its_own_and_the_others_with_theirs(box, upstream):
    module = proxy(upstream, SITE)
    box.host = failing("b.example.com")
    box.serve(module)
    for name, slot in [
        ("a.example.com", "a.example.com"),
        ("b.example.com", "a.example.com.failing"),
        ("c.example.com", "a.example.com"),
    ]:
        assert presented(module, "-servername", name) == box.leaf(slot)
        assert status_of(ask(module, name)) == 200
        assert status_of(ask_plainly(module, name)) == 301


def test_a_name_that_begins_to_fail_is_split_off_by_one_reload_and_taken_back_by_another(box, upstream):
    module = proxy(upstream, SITE)
    box.serve(module)
    whole = box.chains["a.example.com"]
    box.host, box.chains["a.example.com"] = failing("a.example.com"), box.authority.chain("b.example.com")
    box.reload(module)
    assert_presented(
        module, {"a.example.com": box.leaf("a.example.com.failing"), "b.example.com": box.leaf("a.example.com")}
    )
    box.host, box.chains["a.example.com"] = HOST, whole
    box.reload(module)
    assert_presented(module, dict.fromkeys(SITE["domains"], box.leaf("a.example.com")))


def assert_presented(module: ReverseProxy, leaves: dict[str, bytes]) -> None:
    """Each name is served with this leaf, as soon as nginx's old workers are gone."""
    until(lambda: {name: presented(module, "-servername", name) for name in leaves} == leaves)


@pytest.mark.parametrize("name", ["a.example.com", "b.example.com"])
def test_challenges_for_both_are_answered_while_a_site_is_split(box, upstream, name):
    module = proxy(upstream, {**SITE, "redirect": False})
    (box.layout.webroot / "token").write_text("token.thumb")
    box.host = failing("b.example.com")
    box.serve(module)
    assert ask_plainly(module, name, "/.well-known/acme-challenge/token").endswith("\r\n\r\ntoken.thumb")
    assert status_of(ask_plainly(module, name)) == 200


def test_a_wildcard_that_fails_leaves_the_names_below_it_alone(box, upstream):
    module = proxy(upstream, {"domains": ["www.b.example.com", "*.b.example.com"]})
    box.host = failing("*.b.example.com")
    box.serve(module)
    assert presented(module, "-servername", "www.b.example.com") == box.leaf("www.b.example.com")
    assert presented(module, "-servername", "any.b.example.com") == box.leaf("www.b.example.com.failing")


def test_addresses_and_local_names_stay_where_they_are_while_a_site_is_split(box, upstream):
    module = proxy(upstream, {"domains": [*SITE["domains"], "gw.lan", "127.0.0.1"]})
    box.host = failing("a.example.com", "gw.lan")
    box.serve(module)
    assert presented(module, "-noservername") == box.leaf("a.example.com.local")
    assert presented(module, "-servername", "gw.lan") == box.leaf("a.example.com.local")
    assert presented(module, "-servername", "a.example.com") == box.leaf("a.example.com.failing")


# With the whole core: a CA that can't reach everybody

LIFETIME, FLOOR = 90, 76
"""Days: of picky's chains, and after how many of them a renewal can't be put off any more."""


@dataclass
class Site:
    """An appliance with one site of two names."""

    box: Proxied
    unreachable: Path

    def reach(self, *names: str) -> None:
        """Let the CA reach these names only, from its next try on."""
        self.unreachable.write_text("\n".join({"a.example.com", "b.example.com"} - set(names)))
        self.box.clock.advance(hours=2)

    def served(self) -> list[str]:
        """Return which sources serve the two names, as seen on the wire."""
        with self.box.store() as store:
            sources = {record.id: record.source for record in store.chains.records()}
        seen = [self.box.seen(name) for name in ("a.example.com", "b.example.com")]
        assert {verdict for _, verdict in seen} == {"0 (ok)"}
        return [sources[leaf] for leaf, _ in seen]


@pytest.fixture
def site() -> Iterator[Site]:
    with Proxied.make() as box:
        box.drop_in("picky")
        unreachable = box.root / "unreachable"
        unreachable.write_text("b.example.com\n")
        tables = (
            f'[source.picky]\nunreachable = "{unreachable}"\n[[modules.reverse_proxy.sites]]\n'
            'domains = ["a.example.com", "b.example.com"]\nupstream = "http://127.0.0.1:9"\n'
        )
        box.configure(top='sources = ["uploaded", "picky", "local"]', sites=(), more=tables)
        box.bring_up()
        yield Site(box, unreachable)


def test_the_others_get_their_chain_from_the_ca_while_one_name_is_served_with_the_local_one(site):
    assert site.served() == ["picky", "local"]
    assert sorted(site.box.chains()) == ["a.example.com", "a.example.com.failing"]
    assert site.box.deployment("reverse_proxy").outcome is Outcome.LIVE


def test_while_a_site_stays_split_nothing_is_done(site):
    assert site.box.apply().performed == ()
    assert site.box.runner.acted == []


def test_a_site_is_whole_again_when_the_name_passes(site):
    site.reach("a.example.com", "b.example.com")
    site.box.apply()
    assert site.served() == ["picky", "picky"]
    assert list(site.box.chains()) == ["a.example.com"]
    assert not list(site.box.live("reverse_proxy").glob("sites/*.failing.*"))
    assert site.box.deployment("reverse_proxy").outcome is Outcome.LIVE
    assert site.box.apply().performed == ()


def test_on_its_way_to_be_whole_no_name_falls_back_to_the_local_chain(site):
    site.box.events.clear()
    site.reach("a.example.com", "b.example.com")
    site.box.apply()
    bound = [event.text for event in site.box.events if event.kind is EventKind.BINDING_CHANGED]
    assert bound == [
        "reverse_proxy/a.example.com.failing: picky",  # its own chain first, beside that of the others
        "reverse_proxy/a.example.com: picky",  # then one for all
    ]


def test_a_renewal_that_fails_for_one_name_splits_nothing_while_the_chain_for_all_is_good(site):
    site.reach("a.example.com", "b.example.com")
    site.box.apply()
    site.reach("a.example.com")
    site.box.renew()
    before = site.box.chains()
    site.box.apply()
    assert site.box.chains() == before
    with site.box.store() as store:
        assert store.failing.all() == []
        assert [order.attempts for order in store.orders.records()] == [1]


def test_when_the_chain_for_all_runs_out_the_others_get_their_own_and_it_stays_for_whom_it_still_helps(site):
    site.reach("a.example.com", "b.example.com")
    site.box.apply()
    whole = site.box.chains()["a.example.com"]
    site.reach("a.example.com")
    site.box.clock.advance(days=FLOOR)
    site.box.events.clear()
    site.box.apply()
    assert whole not in site.box.chains()["a.example.com"]
    assert site.served() == ["picky", "picky"]
    assert not [event for event in site.box.events if "local" in event.text]
    site.box.clock.advance(days=LIFETIME - FLOOR)
    site.box.apply()
    assert site.served() == ["picky", "local"]


@pytest.fixture
def deaf(site) -> Iterator[Callable[[], None]]:
    """Call it: nginx's master no longer hears of a reload."""
    yield lambda: os.kill(site.box.master, signal.SIGSTOP)
    os.kill(site.box.master, signal.SIGCONT)


def test_what_nginx_did_not_take_of_a_site_that_becomes_whole_is_taken_back(site, deaf):
    site.reach("a.example.com", "b.example.com")
    deaf()
    site.box.apply()
    assert site.box.deployment("reverse_proxy").outcome is Outcome.ROLLED_BACK
    assert site.served() == ["picky", "local"]


def test_what_nginx_did_not_take_of_a_site_that_is_split_is_taken_back(site, deaf):
    site.reach("a.example.com", "b.example.com")
    site.box.apply()
    site.reach("a.example.com")
    site.box.clock.advance(days=FLOOR)
    deaf()
    site.box.apply()
    assert site.box.deployment("reverse_proxy").outcome is Outcome.ROLLED_BACK
    assert site.served() == ["picky", "picky"]
