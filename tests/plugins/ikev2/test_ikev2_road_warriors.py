"""Clients dial in from another network namespace, and stay connected while chains are swapped."""

import json
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from support.appliances.ikev2 import ALICE, CARDS, DOMAIN, ROAD
from support.appliances.ikev2_network import Client, Conversation, SiteAppliance, cable, echoing
from support.cas import certificates as toy_ca
from support.cas.signing_requests import request_for

pytestmark = pytest.mark.root

EAP = {"auth": "eap-mschapv2", "eap_id": "alice"}
SERVER = {"id": DOMAIN}
NORTH = {"name": "north", "peer": "n.example.test", "local_ts": ["10.77.0.0/24"], "remote_ts": ["10.78.0.0/24"]}


@pytest.fixture
def sites():
    with cable() as both:
        yield both


@pytest.fixture
def gateway(sites) -> Iterator[SiteAppliance]:
    with SiteAppliance.make(site=sites[0]) as appliance:
        appliance.configure(connections=[ROAD, CARDS])
        appliance.deploy()
        yield appliance


@pytest.fixture
def client(sites, gateway) -> Iterator[Client]:
    """It trusts the appliance's root."""
    with Client.make(sites[1]) as made:
        made.trust(gateway.command("root", "download").encode())
        yield made


def with_password(client: Client, password: str = ALICE["password"]) -> None:
    client.password("alice", password)
    client.load("home", EAP, SERVER)


def with_certificate(
    client: Client, gateway: SiteAppliance, auth: str = "pubkey", key: rsa.RSAPrivateKey | None = None
) -> None:
    key, csr = request_for("bob.example.test", key)
    place = client.root / "bob.csr"
    place.write_bytes(csr)
    pem = gateway.command("ikev2", "sign", "bob", str(place), "--name", "bob.example.test")
    with client.charon() as charon:
        charon.load_key({"type": "any", "data": key})
    leaf = pem.partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    present(client, auth, leaf.encode())


def present(client: Client, auth: str, leaf: bytes) -> None:
    client.load("home", {"auth": auth, "certs": [leaf], "id": "bob.example.test"}, SERVER)


def test_with_a_password_a_client_gets_a_tunnel_that_outlives_a_swap_of_the_chain(sites, gateway, client):
    with_password(client)
    assert client.dial("home"), client.log()
    with echoing(sites[0]), Conversation.to(sites[1], sites[0].inner) as talk:
        assert talk.goes_on("before")
        before = gateway.leaves_with_keys()
        gateway.command("reissue", DOMAIN)
        gateway.deploy()
        assert gateway.leaves_with_keys().isdisjoint(before)
        assert talk.goes_on("after")
    client.hang_up("home")
    assert client.dial("home"), client.log()


def test_with_a_certificate_of_the_root_a_client_gets_a_tunnel_that_outlives_a_swap_of_the_chain(
    sites, gateway, client
):
    with_certificate(client, gateway)
    assert client.dial("home"), client.log()
    with echoing(sites[0]), Conversation.to(sites[1], sites[0].inner) as talk:
        assert talk.goes_on("before")
        gateway.command("reissue", DOMAIN)
        gateway.deploy()
        assert talk.goes_on("after")
    client.hang_up("home")
    assert client.dial("home"), client.log()


def test_a_wrong_password_is_refused(gateway, client):
    with_password(client, "guessed")
    assert not client.dial("home")
    assert "ERROR_AUTHENTICATION_FAILURE" in client.log()


def test_a_certificate_that_is_revoked_is_refused_from_the_next_pass_on(gateway, client):
    with_certificate(client, gateway)
    assert client.dial("home"), client.log()
    client.hang_up("home")
    gateway.command("ikev2", "revoke", "bob")
    gateway.deploy()
    assert not client.dial("home")
    assert "AUTHENTICATION_FAILED" in client.log()


def test_a_client_without_the_appliance_s_root_does_not_believe_it(sites, gateway):
    with Client.make(sites[1]) as stranger:
        with_password(stranger)
        assert not stranger.dial("home")
        assert "no trusted RSA public key found" in stranger.log() or "no issuer certificate found" in stranger.log()


def test_a_certificate_inside_of_eap_gets_a_tunnel(gateway, client):
    gateway.configure(connections=[{**CARDS, "auth": "eap-tls"}])
    gateway.deploy()
    with_certificate(client, gateway, "eap-tls")
    assert client.dial("home"), client.log()


def test_inside_of_eap_clients_are_told_of_the_rsa_root_that_has_signed_their_certificates(gateway, client):
    gateway.configure(connections=[{**CARDS, "auth": "eap-tls"}])
    gateway.deploy()
    assert "status.root_not_listed" in gateway.command("status", "--json")
    gateway.configure(more='[root]\nkey_type = ["ecdsa-p256", "rsa-2048"]\n')
    gateway.deploy()
    assert "status.root_not_listed" not in gateway.command("status", "--json")
    client.trust(gateway.command("root", "download").encode())
    with_certificate(client, gateway, "eap-tls", rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert client.dial("home"), client.log()
    subject = json.loads(gateway.command("root", "list", "--json"))["roots"][0]["subject"]
    assert subject.endswith(" RSA")
    (leaf,) = (x509.load_pem_x509_certificate(each.read_bytes()) for each in gateway.live("ikev2").glob("x509/*.pem"))
    assert isinstance(leaf.public_key(), rsa.RSAPublicKey)
    assert f"CN={subject}" == leaf.issuer.rfc4514_string(), "old clients take no signature of another kind"
    assert f"sending TLS cert request for 'CN={subject}'" in (gateway.layout.log / "charon.log").read_text()


@pytest.mark.parametrize("auth", ["pubkey", "eap-tls"])
def test_where_another_ca_signs_clients_one_of_the_appliance_s_own_root_is_a_stranger(gateway, client, auth):
    theirs = toy_ca.root("Clients")
    (gateway.root / "clients.pem").write_bytes(toy_ca.pem(theirs.certificate))
    place = "/clients.pem"
    gateway.configure(connections=[{**CARDS, "auth": auth, "client_ca": [place]}], branches=[NORTH])
    gateway.deploy()
    with_certificate(client, gateway, auth)
    assert not client.dial("home")
    bob = theirs.leaf("bob.example.test")
    with client.charon() as charon:
        charon.clear_creds()  # inside of EAP it would present the other certificate of that name
        charon.load_key({"type": "any", "data": toy_ca.key_pem(bob.key)})
    client.trust(gateway.command("root", "download").encode())
    present(client, auth, toy_ca.pem(bob.certificate))
    assert client.dial("home"), client.log()
