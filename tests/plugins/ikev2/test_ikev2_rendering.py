"""IKEv2 as data: settings, needs, files, endpoints, consequences."""

import base64
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.contract.context import ModulePart, ServiceContext
from agent.rendering.render import entry_of, filled_in
from agent.rendering.templates import Templates, search_path
from agent.system.layout import Layout
from chainwright import Change, HostFacts, Issuer, KeyType, RootPhase
from plugins.ikev2.module import IKEv2
from plugins.ikev2.service import StrongSwan
from support import golden
from support.appliances.ikev2 import ALICE, CARDS, DOMAIN, ROAD
from support.appliances.staged import StagedAppliance

HOST = HostFacts(name="gw", addresses=("127.0.0.1", "::1"))
SITES = {"local_ts": ["10.77.0.0/24"], "remote_ts": ["10.78.0.0/24"]}
NORTH = {"name": "north", "peer": "north.example.test", **SITES}
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
ISSUER = Issuer(
    sha256="ab" * 32,
    subject="gw Root CA",
    certificates=CERTIFICATE,
    crl="-----BEGIN X509 CRL-----\nMA==\n-----END X509 CRL-----\n",
    present=True,
)

RETIRED = replace(ISSUER, sha256="cd" * 32, present=False, phase=RootPhase.RETIRED)
BELIEVED = (RootPhase.PREPARED, RootPhase.REPLACED)


def vpn(**more) -> IKEv2:
    return IKEv2(**{"domain": DOMAIN, "connections": [ROAD], "users": [ALICE], **more})


def refusal(**more) -> str:
    with pytest.raises(ValidationError) as caught:
        vpn(**more)
    return " ".join(error["msg"] for error in caught.value.errors())


def rendered(module: IKEv2, *issuers: Issuer, keep_secrets: bool = False, **service) -> dict[str, str]:
    with StagedAppliance.make(source="acme", host=HOST) as box:
        context = box.context(module, "ikev2", services={"strongswan": StrongSwan(**service)}, issuers=issuers)
        rendering = box.rendering(module, context)
        texts = {file.path: rendering.texts[file.text] for file in rendering.files if file.text}
        return {
            path: filled_in(text, "/there", 7).replace(str(box.root), "")
            for path, text in texts.items()
            if path != "conf.d/users.conf" or keep_secrets
        }


def entry(**service) -> dict[str, str]:
    declaration = StrongSwan(**service)
    places = Layout(Path("/")).service("strongswan")
    directory = places.state.parents[1] / "modules/ikev2/7"
    context = ServiceContext(
        service="strongswan",
        directory=places.state / "3",
        parts=(ModulePart(module="ikev2", plugin="ikev2", directory=directory),),
        host=HOST,
        http01=None,
        places=places,
    )
    templates = Templates(search_path(Layout(Path("/nowhere")).templates, "strongswan", StrongSwan), "strongswan")
    rendering = entry_of(declaration, declaration.render_entry(context), context, templates)
    return {
        file.path: rendering.texts[file.text].replace(sys.executable, "PYTHON") for file in rendering.files if file.text
    }


# Rendering


def test_the_smallest_settings_render_what_was_read():
    golden.compare("ikev2/smallest", rendered(vpn()))


def test_all_settings_render_what_was_read():
    module = vpn(
        identity="hq.example.test",
        connections=[
            {**ROAD, "pools": ["10.88.0.0/24", "fd00:88::/64"], "dns": ["10.77.0.53", "fd00:77::53"]},
            CARDS,
            {
                **CARDS,
                "name": "laptops",
                "auth": "eap-tls",
                "domain": "tls.example.test",
                "client_ca": ["/etc/ssl/clients/ca.pem", "/etc/ssl/old.pem"],
            },
            {
                **ROAD,
                "name": "old",
                "domain": "192.0.2.1",
                "key_types": ["rsa-4096"],
                "proposals": ["aes256-sha1-modp1024"],
            },
        ],
        branches=[
            NORTH,
            {**NORTH, "name": "south", "address": "198.51.100.7", "start": True, "port": 4500},
            {**NORTH, "name": "mother", "peer": "mother.example.test", "issued": "we.example.test"},
            {**NORTH, "name": "other", "remote_ca": ["/etc/ssl/other.pem"], "esp_proposals": ["aes256gcm16"]},
        ],
    )
    golden.compare("ikev2/full", rendered(module, ISSUER, RETIRED))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("own", {"main": "own", "manager": "commands", "port": 15500, "port_nat_t": 15501, "userspace": True}),
        ("included", {}),
    ],
)
def test_what_starts_with_charon_renders_what_was_read(name, settings):
    golden.compare(f"strongswan/{name}", entry(**settings))


def test_a_unit_that_is_the_administrator_s_own_gets_no_drop_in():
    assert entry(drop_in=False) == entry(manager="commands") == {}


def test_no_password_can_add_a_line_or_is_shown():
    module = vpn(users=[{"name": "bob@example.test", "password": 'x"\n}\nsecrets { # 0s'}])
    text = rendered(module, keep_secrets=True)["conf.d/users.conf"]
    (secret,) = (line.split('"')[1] for line in text.splitlines() if "secret =" in line)
    assert base64.b64decode(secret.removeprefix("0s")).decode() == module.users[0].password.reveal()
    assert "secrets { #" not in module.model_dump_json() + repr(module)


def test_without_a_root_yet_nothing_is_rendered_that_would_trust_anybody():
    assert set(rendered(vpn(connections=[ROAD, CARDS], branches=[NORTH]))) == {"conf.d/road.conf"}


def test_an_earlier_root_is_not_trusted():
    assert set(rendered(vpn(branches=[NORTH]), RETIRED)) == {"conf.d/road.conf"}


def test_a_root_that_will_sign_and_one_that_has_are_trusted_too_as_long_as_they_are_believed():
    others = [
        replace(ISSUER, sha256=f"{number}" * 64, present=False, phase=phase) for number, phase in enumerate(BELIEVED)
    ]
    files = rendered(vpn(branches=[NORTH]), ISSUER, *others)
    names = ["issuer", f"issuer.{'0' * 12}", f"issuer.before-{'1' * 12}"]
    assert set(files) >= {f"x509ca/{name}.0.pem" for name in names} | {f"x509crl/{name}.pem" for name in names}
    assert f"cacerts = {', '.join(f'{name}.0.pem' for name in names)}" in files["conf.d/north.conf"]


def test_where_nobody_is_verified_by_the_root_it_is_not_given_to_charon():
    assert set(rendered(vpn(), ISSUER)) == {"conf.d/road.conf"}


# Needs


def test_connections_that_dial_one_name_share_a_chain_unless_they_accept_other_keys():
    connections = [
        ROAD,
        {**CARDS, "key_types": ["ecdsa-p256"]},
        {**ROAD, "name": "far", "domain": "b.test"},
        {**CARDS, "name": "far-cards", "domain": "b.test"},
    ]
    needs = vpn(connections=connections).declare_needs(HOST)
    found = {need.slot: (need.names, need.key_types[0]) for need in needs}
    assert found == {
        "default": ((DOMAIN,), KeyType.RSA_2048),
        "default.ecdsa-p256": ((DOMAIN,), KeyType.ECDSA_P256),
        "b.test": (("b.test",), KeyType.RSA_2048),
    }


def test_old_clients_are_asked_for_rsa_first_and_an_uploaded_chain_of_another_kind_is_taken():
    (need,) = vpn().declare_needs(HOST)
    assert need.key_types[0] is KeyType.RSA_2048
    assert KeyType.ECDSA_P256 in need.key_types


def test_the_chain_towards_branches_is_local_only_whatever_the_ladder_says():
    needs = {need.slot: need for need in vpn(branches=[NORTH], sources=["acme"], pin="old").declare_needs(HOST)}
    assert (needs["head-office"].names, needs["head-office"].sources, needs["head-office"].pin) == (
        (DOMAIN,),
        ("local",),
        None,
    )


def test_what_the_other_side_has_signed_is_uploaded_and_nothing_else_is_taken():
    needs = vpn(branches=[{**NORTH, "issued": "we.example.test"}]).declare_needs(HOST)
    found = {need.slot: (need.names, need.sources) for need in needs}
    assert found["issued-we.example.test"] == (("we.example.test",), ("uploaded",))
    assert "head-office" not in found


# What is refused


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"connections": [], "users": []}, "it serves nobody"),
        ({"connections": [ROAD, ROAD]}, 'the connection "road" stands there twice'),
        ({"branches": [{**NORTH, "name": "road"}]}, 'the connection "road" stands there twice'),
        ({"users": [ALICE, ALICE]}, 'the user "alice" stands there twice'),
        (
            {"connections": [ROAD, {**ROAD, "name": "too"}]},
            "2 connections with EAP can't be dialled as vpn.example.test",
        ),
        ({"users": []}, 'nobody can dial in by the connection "road"'),
        ({"branches": [{**NORTH, "start": True}]}, "can't begin here without an address"),
        ({"connections": [{**ROAD, "key_types": ["ed25519"]}]}, "which IKEv2 has no use for"),
        ({"connections": [{**ROAD, "name": "a b"}]}, "must be lower-case letters"),
        ({"users": [{"name": 'a"', "password": "x"}]}, "must be letters, digits or one of"),
        ({"connections": [{**ROAD, "proposals": ["aes; }"]}]}, "must be like"),
        ({"connections": [{**ROAD, "pools": []}]}, "at least 1"),
    ],
)
def test_settings_that_can_not_work_are_refused(settings, reason):
    assert reason in refusal(**settings)


def test_two_modules_on_one_charon_have_no_connection_of_the_same_name():
    (found,) = StrongSwan().contradictions({"ikev2": vpn(), "ikev2-b": vpn()})
    assert found == ("ikev2-b", 'the module "ikev2" has a connection called "road" already')


# Consequences


def session(connection: str, user: str, state: str = "ESTABLISHED") -> str:
    return json.dumps({"connection": connection, "user": user, "remote_host": "192.0.2.9", "state": state})


def sentences(
    module: IKEv2, observed: str = "", slots: tuple[str, ...] = (), kind: str = "root", **more: bool
) -> dict[str, str]:
    return {
        each.sentence: each.severity
        for each in module.consequences_of(Change(kind=kind, subject="", slots=slots, **more), observed)
    }


def test_another_root_names_each_branch_and_who_is_connected():
    observed = "\n".join(
        [session("north", "north.example.test"), session("road", "alice"), session("road", "bob", "CONNECTING")]
    )
    assert sentences(vpn(branches=[NORTH]), observed, ("default", "head-office")) == {
        "The connection north with north.example.test stops until its peer has the new root and a certificate of it "
        "(chainwright ikev2 export north). It is up now (north.example.test at 192.0.2.9) and drops when it next "
        "authenticates.": "outage",
        "Clients of the connection road can't dial in until they have the new root. Connected now, and dropped when they "
        "next authenticate: alice at 192.0.2.9.": "outage",
    }


def test_a_branch_that_has_a_ca_of_its_own_needs_the_new_root_and_no_certificate():
    branches = [{**NORTH, "issued": "we.example.test"}, {**NORTH, "name": "other", "remote_ca": ["/etc/ssl/other.pem"]}]
    assert list(sentences(vpn(branches=branches))) == [
        "The connection other with north.example.test stops until its peer has the new root."
    ]


def test_clients_with_certificates_of_the_root_are_named_whatever_chain_serves_them():
    assert list(sentences(vpn(connections=[CARDS]))) == [
        "Clients of the connection cards can't dial in until they have the new root and certificates of it."
    ]


UP = "\n".join([session("north", "north.example.test"), session("road", "alice")])


def test_where_a_cross_certificate_leads_to_the_new_root_nothing_stops_and_it_is_said_what_is_to_be_done():
    module = vpn(
        branches=[NORTH, {**NORTH, "name": "other", "remote_ca": ["/etc/ssl/other.pem"]}], connections=[ROAD, CARDS]
    )
    before = "Before the old root is retired,"
    assert sentences(module, UP, ("default", "head-office"), bridged=True, still_believed=True) == {
        f"The connection north with north.example.test goes on. {before} its peer needs the new one and a certificate of it "
        "(chainwright ikev2 export north).": "warning",
        f"The connection other with north.example.test goes on. {before} its peer needs the new one.": "warning",
        f"Clients of the connection cards go on. {before} they need the new one and certificates of it.": "warning",
    }


def test_where_none_leads_there_the_new_root_is_missing_and_certificates_of_the_old_one_are_believed_on():
    found = sentences(vpn(branches=[NORTH], connections=[CARDS]), slots=("head-office",), still_believed=True)
    assert found == {
        "The connection north with north.example.test stops until its peer has the new root.": "outage",
        "Clients of the connection cards can't dial in until they have the new root.": "outage",
    }


def test_a_root_that_retires_names_who_may_still_depend_on_it():
    module = vpn(branches=[NORTH], connections=[ROAD, CARDS])
    alone = "only the root that retires"
    assert list(sentences(module, UP, kind="retirement")) == [
        f"The connection north with north.example.test stops if its peer knows {alone} or has no certificate of the new one.",
        f"Clients of the connection road can't dial in that know {alone}.",
        f"Clients of the connection cards can't dial in that know {alone} or have no certificate of the new one.",
    ]
    assert sentences(vpn(), UP, kind="retirement") == {}


def test_another_chain_drops_nothing():
    assert sentences(vpn(branches=[NORTH]), session("north", "n"), ("default",), kind="chain") == {}
