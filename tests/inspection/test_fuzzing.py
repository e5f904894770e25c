"""Uploads of any bytes: a chain or a refusal, never a traceback, never a hang, never a key in a message."""

from __future__ import annotations

import base64
import tempfile
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import AgentError
from agent.errors.upload import TrustUnreadable
from agent.inspection import Diagnosis, InputFile, diagnose, diagnose_root
from agent.inspection.openssl_key import cipher_of
from agent.inspection.pem_blocks import blocks_in, plain
from agent.inspection.pkcs12 import each_key, encryptions, is_opened_by, without_mac
from agent.pki.anchors import Anchors
from agent.pki.asn1 import Asn1Error
from agent.pki.authority import Root
from support.cas.certificates import NOW, issue, key_pem, pem, rsa_key
from support.fakes.uploads import (
    CA,
    LEAF,
    ROOT,
    WHOLE,
    bundle_of,
    certificate_bag,
    der,
    encrypted_pem,
    hidden_safe,
    integer,
    key_bag,
    key_der,
    nested,
    p12,
    pfx,
    tlv,
)
from support.fuzz import NEVER_HANGS, changed, confined, fuzzed, some_changes, texts

pytestmark = NEVER_HANGS


# Real material

RSA = CA.leaf("rsa.example.com", key=rsa_key())
OTHER = CA.leaf("shop.example.org")
ALONE = issue("gw.example.test", issuer=None, names=("gw.example.test",))
PARTIES = (LEAF, RSA, OTHER, ALONE, CA, ROOT)
ISSUED = {party.certificate for party in PARTIES}
SECRET = b"correct-horse"

KEYS = [
    form(party.key)
    for party in (LEAF, RSA)
    for form in (
        key_pem,
        key_der,
        lambda key: key_der(key, PrivateFormat.TraditionalOpenSSL),
        lambda key: encrypted_pem(key, SECRET),
        lambda key: encrypted_pem(key, SECRET, PrivateFormat.TraditionalOpenSSL),
        lambda key: key_der(key, secret=SECRET),
    )
]
CERTIFICATES = [
    *(der(party.certificate) for party in PARTIES),
    pem(CA.certificate, ROOT.certificate),
    *(pkcs7.serialize_certificates([LEAF.certificate, CA.certificate], each) for each in (Encoding.DER, Encoding.PEM)),
]
WHOLES = [
    WHOLE,
    bundle_of(RSA, CA, ROOT),
    bundle_of(ALONE),
    bundle_of(CA, ROOT),
    p12(LEAF, CA, ROOT),
    p12(LEAF, CA, ROOT, secret=SECRET),
    p12(RSA, CA, secret=SECRET),
]
MATERIAL = [*WHOLES, *KEYS, *CERTIFICATES]
BLOCKS = [
    b"-----BEGIN " + block.label.encode() + b"-----\n" + base64.encodebytes(block.der)
    + b"-----END " + block.label.encode() + b"-----\n"
    for data in MATERIAL
    for block in blocks_in(plain(data))
]  # fmt: skip
DERS = [data for data in MATERIAL if data[:1] == b"\x30"]
LABELS = [b"CERTIFICATE", b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY", b"EC PRIVATE KEY", b"PKCS7", b"TRUSTED CERTIFICATE"]


def fragments_of(key) -> list[str]:
    """Return texts by which a leaked key would be known, however it was written."""
    raw = key_der(key)
    number = key.private_numbers()
    value = number.private_value if hasattr(number, "private_value") else number.d
    shown = [f"{value:x}"[:40], str(value)[:40], base64.b64encode(raw).decode()[40:80], raw.hex()[100:140]]
    return [*shown, *key_pem(key).decode().split("\n")[1:-2], str(raw)[60:100]]


LEAKS = [*(text for party in PARTIES for text in fragments_of(party.key)), SECRET.decode()]


# Changes


def pem_of(encoded: bytes, label: bytes) -> bytes:
    return b"-----BEGIN " + label + b"-----\n" + base64.encodebytes(encoded) + b"-----END " + label + b"-----\n"


mutated = st.builds(changed, st.sampled_from(MATERIAL), some_changes)
mutated_inside = st.builds(pem_of, st.builds(changed, st.sampled_from(DERS), some_changes), st.sampled_from(LABELS))
shuffled = st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=12).map(b"".join)
spliced = st.builds(
    lambda first, second, cut, seam: first[: cut % len(first)] + second[seam % len(second) :],
    st.sampled_from(MATERIAL),
    st.sampled_from(MATERIAL),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
leaves = st.one_of(
    st.integers(-(2**70), 2**70).map(integer),
    st.builds(
        tlv, st.sampled_from([0x03, 0x04, 0x05, 0x06, 0x0C, 0x13, 0x17, 0x18, 0x80, 0x82]), st.binary(max_size=40)
    ),
    st.sampled_from(DERS),
)
random_der = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda tag, parts: tlv(tag, *parts),
        st.sampled_from([0x30, 0x30, 0x31, 0xA0, 0xA3, 0x24, 0x04]),
        st.lists(inner, max_size=5),
    ),
    max_leaves=12,
)
random_pem = st.builds(pem_of, random_der, st.sampled_from(LABELS))
anything = st.one_of(
    st.binary(max_size=300), texts, st.sampled_from(MATERIAL), mutated, mutated_inside, shuffled, spliced, random_der,
    random_pem,
)  # fmt: skip
names = st.text(max_size=12)
passphrases = st.sampled_from([None, b"", SECRET, b"wrong"])


def check_shown(error: AgentError, place: str = "") -> None:
    """A message is two lines at most, fit for a terminal, and holds nothing of a key; nor do the errors behind it."""
    everything = "".join(traceback.format_exception(error)) + repr(error) + error.problem.detail
    assert [leak for leak in LEAKS if leak in everything] == []
    assert len(str(error).split("\n")) <= 2
    assert all(line.isprintable() for line in str(error).split("\n"))
    assert error.problem.fix
    assert place in str(error)


@fuzzed(150, 9_000)
@given(st.lists(st.tuples(names, anything), max_size=4), passphrases, st.booleans())
def test_any_upload_is_a_chain_that_was_really_issued_or_refused(files, passphrase, known):
    def check() -> None:
        pieces = [InputFile(name, data) for name, data in files]
        anchors = [ROOT.certificate] if known else ()
        try:
            found = diagnose(pieces, passphrase=passphrase, anchors=anchors, now=NOW)
        except AgentError as error:
            check_shown(error)
            return
        assert isinstance(found, Diagnosis)
        assert found.chain.leaf in ISSUED
        assert set(found.chain.intermediates) <= ISSUED
        assert found.names
        assert all(finding.sentence.isprintable() for finding in found.remarks)
        assert not [leak for leak in LEAKS if leak in repr(found) + repr(pieces)]

    confined(check)


@fuzzed(150, 9_000)
@given(st.sampled_from(WHOLES), some_changes, passphrases)
def test_a_whole_upload_with_changes_is_refused_or_still_whole(whole, changes, passphrase):
    def check() -> None:
        try:
            found = diagnose([InputFile("a", changed(whole, changes))], passphrase=passphrase, now=NOW)
        except AgentError as error:
            check_shown(error)
            return
        assert found.chain.leaf in ISSUED

    confined(check)


@fuzzed(60, 5_000)
@given(st.lists(st.tuples(names, st.one_of(anything, shuffled)), max_size=3), passphrases)
def test_any_root_is_one_that_may_sign_or_refused(files, passphrase):
    def check() -> None:
        try:
            found = diagnose_root([InputFile(name, data) for name, data in files], passphrase=passphrase, now=NOW)
        except AgentError as error:
            check_shown(error)
            return
        assert isinstance(found, Root)
        assert found.certificate in ISSUED

    confined(check)


IN_A_SAFE = pfx(hidden_safe(key_bag(LEAF), nested(key_bag(CA)), certificate_bag(LEAF.certificate), secret=SECRET))


@fuzzed(150, 9_000)
@given(
    st.one_of(
        random_der,
        st.builds(changed, st.sampled_from([p12(LEAF, CA), p12(LEAF, CA, secret=SECRET), IN_A_SAFE]), some_changes),
    )
)
def test_any_pkcs12_file_is_taken_apart_or_is_none(data):
    def check() -> None:
        parts = (encryptions, without_mac, *(partial(part, secret=SECRET) for part in (each_key, is_opened_by)))
        for part in parts:
            with suppress(Asn1Error):
                assert part(data) is not None

    confined(check)
    assert cipher_of(data).isprintable()


@fuzzed(40, 3_000)
@given(anything)
def test_any_file_among_the_trusted_ones_is_read_or_named(data):
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "a.pem")
        path.write_bytes(data)
        try:
            assert list(Anchors(directory=Path(place)))
        except TrustUnreadable as error:
            check_shown(error, str(path))
