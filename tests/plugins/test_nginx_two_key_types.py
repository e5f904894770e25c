"""A site with an ECDSA and an RSA chain, on a real nginx."""

import pytest

from agent.model.deployment import Outcome
from agent.model.need import HostFacts
from support.appliances.proxied import SITES, Proxied
from support.appliances.staged import HOST
from support.clients.http import presented, proxy, s_client
from support.waiting import until

RSA_ONLY = ("-tls1_2", "-cipher", "aRSA")
ECDSA_ONLY = ("-tls1_2", "-cipher", "aECDSA")
SITE = {"domains": ["a.example.com"], "second_key_type": "rsa-2048"}


def both(module, name: str) -> tuple[bytes | None, bytes | None]:
    """Return the leaf that a client of each kind is given."""
    return presented(module, "-servername", name, *ECDSA_ONLY), presented(module, "-servername", name, *RSA_ONLY)


def test_each_client_gets_the_chain_that_it_can_take(box, upstream):
    module = proxy(upstream, SITE, {"domains": ["c.test"]})
    box.serve(module)
    assert both(module, "a.example.com") == (box.leaf("a.example.com"), box.leaf("a.example.com.rsa"))
    assert both(module, "c.test") == (box.leaf("c.test"), None)


@pytest.mark.parametrize(
    ("algorithms", "slot"), [("RSA-PSS+SHA256", "a.example.com.rsa"), ("ECDSA+SHA256", "a.example.com")]
)
def test_clients_of_tls_1_3_choose_by_their_signature_algorithms(box, upstream, algorithms, slot):
    module = proxy(upstream, SITE)
    box.serve(module)
    assert presented(module, "-servername", "a.example.com", "-tls1_3", "-sigalgs", algorithms) == box.leaf(slot)


def test_each_chain_is_sent_with_its_intermediate(box, upstream):
    module = proxy(upstream, SITE)
    box.serve(module)
    for kind in (ECDSA_ONLY, RSA_ONLY):
        shown = s_client(module, "-servername", "a.example.com", "-showcerts", *kind).stdout
        assert shown.count(b"-----BEGIN CERTIFICATE-----") == 2


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("a.example.com.rsa", ("a.example.com", None)), ("a.example.com", (None, "a.example.com.rsa"))],
)
def test_one_serves_alone_while_the_other_has_no_chain(box, upstream, missing, expected):
    module = proxy(upstream, SITE)
    chains = box.context(module, "reverse_proxy").chains
    box.start(box.stage(module, chains={slot: chain for slot, chain in chains.items() if slot != missing}))
    assert both(module, "a.example.com") == tuple(slot and box.leaf(slot) for slot in expected)


def test_the_second_comes_and_goes_by_a_reload(box, upstream):
    module = proxy(upstream, {"domains": ["a.example.com"]})
    box.serve(module)
    more = proxy(upstream, SITE, listen=module.listen, listen_http=module.listen_http)
    box.reload(more)
    until(lambda: both(more, "a.example.com") == (box.leaf("a.example.com"), box.leaf("a.example.com.rsa")))
    box.reload(module)
    until(lambda: both(module, "a.example.com") == (box.leaf("a.example.com"), None))


def test_a_site_that_is_split_has_both_key_types_on_both_sides(box, upstream):
    module = proxy(upstream, {**SITE, "domains": ["a.example.com", "b.example.com"]})
    box.host = HostFacts(name=HOST.name, addresses=HOST.addresses, failing=("b.example.com",))
    box.serve(module)
    for name, slot in [("a.example.com", "a.example.com"), ("b.example.com", "a.example.com.failing")]:
        assert both(module, name) == (box.leaf(slot), box.leaf(f"{slot}.rsa"))


# With the whole core


SECOND = {"second_key_type": "rsa-2048"}


@pytest.fixture
def doubled(serving) -> Proxied:
    """Three sites are served with two chains each."""
    serving.configure(module=SECOND)
    serving.apply()
    serving.runner.ran.clear()
    return serving


def records(box: Proxied) -> dict[str, bool]:
    """Return the endpoints that were looked at, and whether each served what it ought to."""
    with box.store() as store:
        return {each.slot: each.ok for each in store.endpoints.all()}


def test_both_chains_of_each_site_are_seen_on_the_wire(doubled):
    assert records(doubled) == dict.fromkeys([*SITES, *(f"{name}.rsa" for name in SITES)], True)
    assert doubled.deployment("reverse_proxy").outcome is Outcome.LIVE
    doubled.assert_served(*SITES)


def test_both_are_renewed_with_one_reload(doubled):
    before = doubled.chains()
    doubled.renew()
    doubled.apply()
    assert set(before.values()).isdisjoint(doubled.chains().values())
    assert all(records(doubled).values())
    assert [str(action).split()[0] for action in doubled.runner.acted] == ["/usr/sbin/nginx", "SIGHUP"]


def test_a_second_key_type_that_is_no_longer_wanted_leaves_no_key_in_service(doubled):
    doubled.configure(module={})
    doubled.apply()
    keys = doubled.live("reverse_proxy").glob("**/*.key.pem")
    assert sorted(path.name.removesuffix(".key.pem") for path in keys) == [*SITES]
    assert records(doubled) == dict.fromkeys(SITES, True)
    doubled.assert_served(*SITES)


WITHOUT_RSA = "ssl_protocols TLSv1.2 TLSv1.3;\nssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;\n"


def test_a_second_chain_that_no_client_can_get_is_not_believed_and_the_first_stays(serving):
    serving.override("reverse_proxy/tls.conf.j2", WITHOUT_RSA)
    serving.apply()
    serving.configure(module=SECOND)
    serving.apply()
    assert {each.slot: each.problem.code for each in serving.refusals()} == dict.fromkeys(
        (f"{name}.rsa" for name in SITES), "deploy.probe_failed"
    )
    assert serving.deployment("reverse_proxy").outcome is Outcome.LIVE
    assert not list(serving.live("reverse_proxy").glob("**/*.rsa.*"))
    serving.assert_served(*SITES)
