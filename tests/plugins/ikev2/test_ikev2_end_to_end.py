"""IKEv2 as the agent deploys it, on a private charon: engine, store, vici."""

import hashlib
import json
import os
import signal
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.model.deployment import Outcome
from chainwright import Endpoint, Expected
from plugins.ikev2.probe import IkeProbe
from support.appliances.ikev2 import ALICE, CARDS, DOMAIN, ROAD, IKEv2Appliance
from support.cas import certificates as toy_ca
from support.processes import prepared
from support.processes.tree import alive
from support.waiting import until

pytestmark = pytest.mark.root

NORTH = {"name": "north", "peer": "north.example.test", "local_ts": ["10.77.0.0/24"], "remote_ts": ["10.78.0.0/24"]}
BOB = {"name": "bob", "password": "staple"}


def problem_of(box: IKEv2Appliance) -> str:
    deployment = box.deployment("ikev2")
    assert deployment.problem is not None, deployment
    return deployment.problem.cause.replace(str(box.root), "ROOT")


def command(box: IKEv2Appliance, *arguments: str) -> str:
    result = prepared.run(["-P", "-m", "agent", "--root", box.root, *arguments])
    return result.stdout + result.stderr


def test_the_first_pass_starts_charon_with_all_that_is_configured(vpn):
    vpn.configure(connections=[ROAD, CARDS], branches=[NORTH])
    vpn.apply()
    vpn.assert_live()
    loaded = vpn.loaded()
    assert loaded["connections"] == ["cards", "north", "road"]
    assert loaded["pools"] == ["cards-1", "road-1"]
    assert vpn.leaves_with_keys() == set(vpn.chains().values())


def test_a_chain_that_is_due_is_swapped_and_the_old_key_forgotten(serving):
    (before,) = serving.chains().values()
    keys = serving.loaded()["keys"]
    serving.clock.advance(days=61)
    serving.apply()
    serving.assert_live()
    (after,) = serving.chains().values()
    assert after != before
    assert after in serving.leaves_with_keys()
    assert before not in serving.leaves_with_keys()
    assert len(serving.loaded()["keys"]) == 1
    assert serving.loaded()["keys"] != keys


def test_what_is_taken_out_of_the_settings_is_taken_out_of_charon(serving):
    serving.configure(connections=[ROAD, CARDS], users=[ALICE, BOB])
    serving.apply()
    assert len(serving.loaded()["secrets"]) == 2
    serving.configure(connections=[CARDS], users=[BOB])
    serving.apply()
    serving.assert_live()
    loaded = serving.loaded()
    assert (loaded["connections"], loaded["pools"], len(loaded["secrets"])) == (["cards"], ["cards-1"], 1)


def test_what_somebody_else_has_loaded_is_left_alone(serving):
    child = {"children": {"net": {}}}
    with serving.charon() as charon:
        charon.load_conn({"theirs": {"local": {"auth": "psk"}, "remote": {"auth": "psk"}, **child}})
        charon.load_shared({"id": "their-secret", "type": "IKE", "data": b"x"})
    serving.clock.advance(days=61)
    serving.configure(connections=[CARDS])
    serving.apply()
    serving.assert_live()
    loaded = serving.loaded()
    assert loaded["connections"] == ["cards", "theirs"]
    assert "their-secret" in loaded["secrets"]


# Refused


def test_a_mistake_in_a_template_is_refused_with_its_line_and_nothing_changes(serving):
    before = serving.loaded()
    override = serving.layout.templates / "ikev2/road-warrior.conf.j2"
    override.parent.mkdir(parents=True)
    override.write_text('{% include "default:road-warrior.conf.j2" %}\nconnectoins {\n}\n')
    serving.apply()
    assert serving.deployment("ikev2").outcome is Outcome.REFUSED
    assert problem_of(serving).endswith('conf.d/road.conf, line 1: a file can\'t have "connectoins".')
    assert serving.loaded() == before


def test_what_only_charon_finds_wrong_is_rolled_back(serving):
    before = serving.loaded()
    serving.configure(connections=[{**ROAD, "proposals": ["aes256-nonsense"]}, CARDS])
    serving.apply()
    assert serving.deployment("ikev2").outcome is Outcome.ROLLED_BACK
    assert "charon refuses the connection road: invalid value for: proposals, config discarded" in problem_of(serving)
    assert serving.loaded() == before
    serving.configure(connections=[ROAD])
    serving.apply()
    serving.assert_live()


def test_a_user_s_password_is_shown_nowhere(serving):
    secret = ALICE["password"]
    (line,) = (each for each in (serving.live("ikev2") / "conf.d/users.conf").read_text().splitlines() if "0s" in each)
    encoded = line.split('"')[1]
    said = [
        command(serving, *each.split())
        for each in ("render ikev2", "render ikev2 --json", "status --json", "config show")
    ]
    said += [json.dumps([str(event) for event in serving.events]), (serving.layout.log / "charon.log").read_text()]
    assert [text for text in said if secret in text or encoded in text or json.dumps(secret)[1:-1] in text] == []
    assert "conf.d/users.conf" in said[0]
    assert (serving.live("ikev2") / "conf.d/users.conf").stat().st_mode & 0o777 == 0o600


# Coming and going


def test_while_charon_does_not_run_everything_waits_until_somebody_starts_it(vpn):
    vpn.configure(service={"start": False})
    vpn.apply()
    assert vpn.deployment("ikev2").outcome is Outcome.WAITING
    assert "says that it does not run" in problem_of(vpn)
    vpn.start_charon()
    until(lambda: vpn.loaded()["connections"] == ["road"], what="charon has loaded it by itself")
    vpn.apply()
    vpn.assert_live()


def test_while_charon_is_not_installed_everything_waits(vpn):
    vpn.configure(service={"binary": "/usr/sbin/no-such-charon"})
    vpn.apply()
    assert vpn.deployment("ikev2").outcome is Outcome.WAITING
    assert problem_of(vpn) == "The service can't be reloaded: /usr/sbin/no-such-charon is not installed."
    vpn.configure(service={})
    vpn.apply()
    vpn.assert_live()


def test_a_charon_that_was_killed_is_found_dead_and_served_again(serving):
    pid = serving.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), what="it has ended")
    serving.clock.advance(minutes=16)
    serving.apply()
    serving.apply()
    serving.assert_live()
    assert serving.pid != pid
    assert serving.leaves_with_keys() == set(serving.chains().values())


def test_a_charon_started_anew_loads_what_was_deployed_last_without_the_agent(serving):
    serving.clock.advance(days=61)
    serving.apply()
    serving.kill()
    serving.start_charon()
    until(lambda: serving.leaves_with_keys() == set(serving.chains().values()), what="the chain is loaded")
    until(
        lambda: serving.loaded()["connections"] == ["road"], what="the connection is loaded, which comes after the keys"
    )
    assert serving.domain == DOMAIN


def test_one_uploaded_wildcard_chain_serves_every_slot_but_the_head_office_s(vpn):
    vpn.configure(connections=[ROAD, CARDS, {**ROAD, "name": "far", "domain": "far.example.test"}], branches=[NORTH])
    vpn.apply()
    vpn.assert_live()
    root = toy_ca.root(now=vpn.clock())
    ca = root.authority("Toy CA", now=vpn.clock(), days=400)
    leaf = ca.leaf("*.example.test", now=vpn.clock())
    path = vpn.root / "wildcard.pem"
    path.write_bytes(toy_ca.key_pem(leaf.key) + toy_ca.pem(leaf.certificate, ca.certificate, root.certificate))
    assert "Done" in (said := command(vpn, "upload", str(path))), said
    vpn.apply()
    vpn.assert_live()
    uploaded = sha256(leaf.certificate)
    chains = vpn.chains()
    assert {slot for slot, chain in chains.items() if chain == uploaded} == {"default", "far.example.test"}
    assert chains["head-office"] != uploaded
    for name in (DOMAIN, "far.example.test"):
        served = IkeProbe().look(
            Endpoint(port=vpn.port, server_name=name), time.monotonic() + 10, Expected(fingerprints=(), generation=0)
        )
        assert served.fingerprints == (uploaded, sha256(ca.certificate))


def sha256(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def test_a_module_that_is_gone_is_unloaded_and_charon_goes_on(serving):
    pid = serving.pid
    serving.settings('hostname = "gw"\naddresses = ["127.0.0.1"]\n')
    serving.apply()
    assert serving.pid == pid
    assert serving.loaded() == {"connections": [], "pools": [], "secrets": [], "keys": []}
    assert list(serving.layout.modules.rglob("*.pem")) == []
    assert serving.apply().performed == ()
