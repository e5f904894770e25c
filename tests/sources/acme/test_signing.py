"""Requests are signed with the key of an account or of a chain."""

import json
from dataclasses import replace

import pytest
from acme.jws import JWS
from cryptography.hazmat.primitives.asymmetric import ed25519

from agent.errors.chain import KeyUnsupported
from agent.pki.key import KeyType, generate_key
from agent.sources.acme.signing import Signer
from support.cas.certificates import rsa_key


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (generate_key(KeyType.ECDSA_P256), "ES256"),
        (generate_key(KeyType.ECDSA_P384), "ES384"),
        (rsa_key(), "RS256"),
    ],
    ids=["P-256", "P-384", "RSA"],
)
def test_each_key_that_a_chain_may_have_signs(key, algorithm):
    signer = Signer.of(key)
    message = JWS.json_loads(signer.sign(b"{}", url="https://ca.example/x", nonce=b"nonce").decode())
    header = json.loads(message.signature.protected)
    assert message.verify(signer.key.public_key())
    assert (header["alg"], header["url"], header["nonce"]) == (algorithm, "https://ca.example/x", "bm9uY2U")
    assert header["jwk"] == signer.key.public_key().to_json()
    assert "d" not in header["jwk"]


def test_an_account_is_named_instead_of_its_key():
    signer = replace(Signer.of(generate_key(KeyType.ECDSA_P256)), account="https://ca.example/acct/1")
    header = json.loads(JWS.json_loads(signer.sign(b"", url="u", nonce=b"n").decode()).signature.protected)
    assert header["kid"] == "https://ca.example/acct/1"
    assert "jwk" not in header


def test_a_key_that_no_ca_takes_is_refused():
    with pytest.raises(KeyUnsupported):
        Signer.of(ed25519.Ed25519PrivateKey.generate())


def test_a_signer_shows_nothing_of_its_key():
    assert "key" not in repr(Signer.of(generate_key(KeyType.ECDSA_P256)))
