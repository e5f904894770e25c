"""What the IKEv2 probe sees of a real strongSwan, with every algorithm, and how it leaves."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from chainwright import Endpoint, Expected, ProbeFailed
from plugins.ikev2.ike.initiation import initiate
from plugins.ikev2.ike.transport import Transport, connect
from plugins.ikev2.probe import IkeProbe
from support.cas import certificates as toy_ca
from support.cas.certificates import Party
from support.ports import free_port
from support.servers.charon import Charon

NAME = "gw.example.test"
NOW = datetime.now(UTC)
ROOT = toy_ca.root(now=NOW)
CA = ROOT.authority("Toy Intermediate", now=NOW)
REFUSED = "it answers IKE but refuses before it shows a certificate: AUTHENTICATION_FAILED"


def leaf(key=None) -> Party:
    return CA.leaf(NAME, key=key, now=NOW)


LEAF = leaf()


def road(**also: object) -> dict[str, Mapping[str, object]]:
    """One connection for clients with passwords."""
    local = {"auth": "pubkey", "certs": "gw.pem", "id": NAME}
    remote = {"auth": "eap-mschapv2", "eap_id": "%any"}
    return {"rw": {"version": 2, "send_cert": "always", "local": local, "remote": remote, **also}}


def fingerprints(*parties: Party) -> tuple[str, ...]:
    return tuple(hashlib.sha256(each.certificate.public_bytes(Encoding.DER)).hexdigest() for each in parties)


def look(port: int, *, host: str = "127.0.0.1", name: str = NAME, seconds: float = 20, **options) -> tuple[str, ...]:
    endpoint = Endpoint(host=host, port=port, server_name=name)
    return (
        IkeProbe(**options)
        .look(endpoint, time.monotonic() + seconds, Expected(fingerprints=(), generation=1))
        .fingerprints
    )


def refused(port: int, **options) -> str:
    with pytest.raises(ProbeFailed) as caught:
        look(port, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def charon() -> Iterator[Charon]:
    with Charon.running() as running:
        yield running


@pytest.fixture
def serving(charon: Charon) -> Charon:
    charon.serve(LEAF, CA, ROOT, connections=road())
    return charon


def half_open(port: int) -> None:
    """Begin a login and go away."""
    with connect("127.0.0.1", port) as stream:
        initiate(Transport(stream, port, time.monotonic() + 20))


# What is presented


@pytest.mark.parametrize("which", ["port", "port_nat_t"])
def test_leaf_and_intermediates_are_seen_in_the_order_in_which_they_are_sent(serving: Charon, which: str):
    assert look(getattr(serving, which)) == fingerprints(LEAF, CA)


def test_it_speaks_ipv6(serving: Charon):
    assert look(serving.port, host="::1") == fingerprints(LEAF, CA)


def test_a_missing_intermediate_is_seen_to_be_missing():
    with Charon.running() as charon:
        charon.serve(LEAF, ROOT, connections=road())
        assert look(charon.port) == fingerprints(LEAF)


def test_whoever_is_there_is_taken_when_nobody_is_asked_for(serving: Charon):
    assert look(serving.port, name="") == fingerprints(LEAF, CA)
    assert look(serving.port, name="other.example.test", identity="") == fingerprints(LEAF, CA)


def test_an_address_is_asked_for_as_an_address(charon: Charon):
    party = CA.leaf("127.0.0.1", now=NOW)
    local = {"auth": "pubkey", "certs": "gw.pem", "id": "127.0.0.1"}
    charon.serve(party, CA, ROOT, connections=road(local=local))
    assert look(charon.port, name="127.0.0.1") == fingerprints(party, CA)


# Algorithms

GROUPS = ("x25519", "ecp256", "ecp384", "ecp521", "modp2048", "modp3072", "modp4096", "modp1536", "modp1024")
CIPHERS = (
    *("aes128-sha256", "aes192-sha384", "aes256-sha512", "aes256-sha1", "aes256-sha256-prfsha512"),
    *("aes128gcm16-prfsha256", "aes192gcm16-prfsha384", "aes256gcm16-prfsha512"),
)


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_is_spoken_also_when_the_server_asks_for_it_only_then(charon: Charon, group: str):
    charon.serve(LEAF, CA, ROOT, connections=road(proposals=f"aes256-sha256-{group}"))
    assert look(charon.port) == fingerprints(LEAF, CA)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_cipher_is_spoken(charon: Charon, cipher: str):
    charon.serve(LEAF, CA, ROOT, connections=road(proposals=f"{cipher}-ecp256"))
    assert look(charon.port) == fingerprints(LEAF, CA)


KEYS = {
    "rsa2048": lambda: toy_ca.rsa_key(2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
}


@pytest.mark.parametrize("settings", [{}, {"signature_authentication": "no"}, {"rsa_pss": "yes"}], ids=str)
def test_every_kind_of_signature_is_checked(settings: dict[str, str]):
    with Charon.running(**settings) as charon:
        for make_key in KEYS.values():
            party = leaf(make_key())
            charon.serve(party, CA, ROOT, connections=road())
            assert look(charon.port) == fingerprints(party, CA)
        if "signature_authentication" in settings:
            assert "with RSA signature successful" in charon.log
            assert "with ECDSA-521 signature successful" in charon.log
        else:
            assert ("RSA_EMSA_PSS_SHA2" if settings else "RSA_EMSA_PKCS1_SHA2") in charon.log


# On the way


def test_an_answer_in_fragments_is_put_together():
    party = leaf(toy_ca.rsa_key())
    with Charon.running(fragment_size=400) as charon:
        charon.serve(party, CA, ROOT, connections=road())
        assert look(charon.port) == fingerprints(party, CA)
        assert "EF(4/" in charon.log


def test_a_cookie_is_brought_back():
    with Charon.running(cookie_threshold=1) as charon:
        charon.serve(LEAF, CA, ROOT, connections=road(proposals="aes256-sha256-ecp384"))
        half_open(charon.port)
        assert look(charon.port) == fingerprints(LEAF, CA)
        assert "N(COOKIE)" in charon.log


@pytest.mark.parametrize("remote", ["eap-mschapv2", "eap-tls"])
@pytest.mark.parametrize("asks_who", [True, False])
def test_twenty_looks_leave_nothing_behind(charon: Charon, remote: str, asks_who: bool):
    asked = {"eap_id": "%any"} if asks_who else {}
    charon.serve(LEAF, CA, ROOT, connections=road(remote={"auth": remote, **asked}))
    assert {look(charon.port) for _ in range(20)} == {fingerprints(LEAF, CA)}
    assert charon.ctl("--list-sas") == ""


def test_many_looks_at_once_are_all_answered(serving: Charon):
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: look(serving.port), range(40)))
    assert set(seen) == {fingerprints(LEAF, CA)}
    assert serving.ctl("--list-sas") == ""


# What is refused


def test_whoever_leaves_logins_half_done_is_told_why_charon_keeps_silent():
    with Charon.running() as charon:
        charon.serve(LEAF, CA, ROOT, connections=road())
        for _ in range(5):
            half_open(charon.port)
        said = refused(charon.port, seconds=1)
    assert "no answer to IKE_SA_INIT; charon also keeps silent for half a minute to a client that left five" in said


def test_another_identity_is_refused_by_name(serving: Charon):
    assert REFUSED in refused(serving.port, name="other.example.test")


def test_a_server_without_its_key_says_so(serving: Charon):
    (serving.directory / "swanctl" / "private" / "gw.pem").write_bytes(toy_ca.key_pem(leaf().key))
    serving.load()
    assert REFUSED in refused(serving.port)


def test_a_server_for_clients_with_certificates_only_says_so(charon: Charon):
    charon.serve(LEAF, CA, ROOT, connections=road(remote={"auth": "pubkey"}))
    assert f"{REFUSED}; it has no connection for this identity, or lacks its key, or takes clients" in refused(
        charon.port
    )
    assert charon.ctl("--list-sas") == ""


def test_a_server_that_keeps_its_certificate_to_itself_is_told(charon: Charon):
    charon.serve(LEAF, CA, ROOT, connections=road(send_cert="never"))
    assert "it shows no certificate" in refused(charon.port)
    assert charon.ctl("--list-sas") == ""


def test_algorithms_that_nobody_knows_are_named_as_the_reason(charon: Charon):
    charon.serve(LEAF, CA, ROOT, connections=road(proposals="camellia256-sha256-ecp256"))
    assert "it refuses IKE_SA_INIT: NO_PROPOSAL_CHOSEN" in refused(charon.port)


def test_a_dead_port_is_dead_at_once():
    with pytest.raises(ProbeFailed, match="nobody listens there") as caught:
        look(free_port())
    assert caught.value.dead


def test_silence_is_asked_again_until_the_deadline():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        assert "no answer to IKE_SA_INIT" in refused(mute.getsockname()[1], seconds=1.2)
        mute.setblocking(False)
        heard = [mute.recv(65535) for _ in range(3)]
    assert heard == heard[:1] * 3
    assert heard[0].startswith(bytes(4))
