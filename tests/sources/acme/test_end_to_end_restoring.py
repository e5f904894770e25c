"""A whole appliance is carried to another machine: chains of a CA, uploads, a pin, people, and what the root has signed."""

import re
from datetime import timedelta

import pytest

from agent.auth.person import Actor
from agent.model.records import UPLOADED
from agent.operations.locked_state import locked_state
from agent.operations.peers import sign
from agent.operations.pins import pin
from agent.operations.uploads import store_upload
from agent.pki.authority import Root
from agent.pki.chain import KeyType, Purpose
from support.appliances.api import make_people
from support.appliances.carried import another_machine, assert_differences_told, backed_up, restored_elsewhere
from support.appliances.certified import Certified
from support.appliances.deployed import served
from support.appliances.proxied import SITES
from support.cas.signing_requests import request_for
from support.ports import free_port

ANN = Actor("ann", "command")
LOCAL = '[modules.tunnel]\nsources = ["local"]\ndomain = "t.example.test"\nport = {port}\n'
FROM_THE_CA, BOUGHT = SITES[:2]


@pytest.fixture
def whole(pebble):
    """An appliance with a chain of each source, an upload that is pinned, people and a peer."""
    more = LOCAL.format(port=free_port())
    with Certified.make(ca=pebble, sites=(FROM_THE_CA, BOUGHT), more=more, acme={"preflight": False}) as appliance:
        appliance.drop_in("tunnel")
        appliance.configure()
        for days in (300, 200):
            appliance.change(store_upload, bought(appliance, days), keep_unused=True)
        appliance.apply()
        with locked_state(appliance.engine(), actor=ANN) as state:
            uploads = [chain for chain in state.chains if chain.source == UPLOADED]
            pin(state, "reverse_proxy", BOUGHT, min(uploads, key=lambda chain: chain.not_after).id)
        appliance.apply()
        make_people(appliance)
        _, csr = request_for("branch.example.test")
        now = appliance.clock()
        sign(appliance.layout, csr, ["branch.example.test"], module="tunnel", label="branch", now=now, actor=ANN)
        yield appliance


def bought(appliance, days):
    now = appliance.clock()
    root = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    return root.issue((BOUGHT,), KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=days))


def elsewhere(whole, other, file):
    """Restore a backup where the name and the addresses of the host are others, and with other ports."""
    made = restored_elsewhere(other.root, file, "--no-apply")
    assert made.returncode == 0, made.stderr
    assert_differences_told(made.stderr)
    settings = other.layout.settings
    text = settings.read_text().replace('hostname = "gw"', 'hostname = "gw2"')
    text = text.replace('addresses = ["127.0.0.1"]', 'addresses = ["127.0.0.1", "192.0.2.7"]')
    settings.write_text(re.sub(f":{whole.port}\\b", f":{other.port}", text))


def test_it_goes_on_on_another_machine_without_a_request_to_the_ca(whole, pebble):
    before, tunnel = whole.chains(), whole.chains("tunnel")
    file = backed_up(whole)
    whole.kill()
    with another_machine(Certified, ca=pebble) as other, another_machine(Certified, ca=pebble) as third:
        pebble.mark()
        elsewhere(whole, other, file)
        other.apply()
        assert pebble.requests() == []
        assert (other.chains(), other.chains("tunnel")) == (before, tunnel)
        assert other.sources() == {FROM_THE_CA: "acme", BOUGHT: UPLOADED, "default": "local"}
        other.assert_certified(FROM_THE_CA)
        assert served(other.port, BOUGHT) == before[BOUGHT]
        with other.store() as store:
            assert [(each.label, each.module) for each in store.peers.all()] == [("branch", "tunnel")]
            assert [each.chain for each in store.pins.all()] == [before[BOUGHT]]
        assert other.terminal.run("webui", "users").stdout.split() == ["USER", "ROLE", "ann", "admin", "vic", "viewer"]
        again = backed_up(other)
        other.kill()
        elsewhere(other, third, again)
        third.apply()
        assert pebble.requests() == []
        third.assert_certified(FROM_THE_CA)
        assert third.chains() == before


def test_and_renews_there_by_the_same_account(whole, pebble):
    before = whole.chains()
    file = backed_up(whole)
    whole.kill()
    with another_machine(Certified, ca=pebble) as other:
        elsewhere(whole, other, file)
        other.apply()
        pebble.mark()
        other.renew()
        other.apply()
        assert len(pebble.requests("/order-plz")) == 1
        assert pebble.requests("/sign-me-up") == []
        assert other.chains()[FROM_THE_CA] != before[FROM_THE_CA]
        assert other.chains()[BOUGHT] == before[BOUGHT]
