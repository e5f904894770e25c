"""Accepted uploads: chains made of what administrators upload, and the remarks about them."""

import base64
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from agent.pki.chain import Chain
from support.cas.certificates import DAY, NOW, issue, key_pem, named, p256_key, pem, root, rsa_key
from support.fakes.uploads import (
    BUNDLE,
    CA,
    LEAF,
    ROOT,
    WHOLE,
    bundle_of,
    der,
    encrypted_pem,
    findings,
    key_der,
    look,
    p12,
)

CHAIN = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=(CA.certificate,), anchor=ROOT.certificate)
RSA = CA.leaf("rsa.example.com", key=rsa_key())

KNOWN = [ROOT.certificate]


def is_whole(found) -> bool:
    chain = found.chain
    return (chain, chain.presented, chain.anchor) == (CHAIN, CHAIN.presented, CHAIN.anchor)


# What is accepted


def signed(text: bytes) -> bytes:
    """Return a text as `gpg --clear-sign` writes it."""
    escaped = text.replace(b"\n-", b"\n- -").replace(b"-----BEGIN", b"- -----BEGIN", 1)
    begin = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
    return begin + escaped + b"-----BEGIN PGP SIGNATURE-----\n\niHUEAR\n=abcd\n-----END PGP SIGNATURE-----\n"


def test_a_whole_file_is_a_chain_and_what_was_seen():
    found = look(WHOLE, anchors=KNOWN)
    assert is_whole(found)
    assert (found.names, found.issuer) == (("www.example.com", "*.example.com"), "Toy CA")
    assert findings(WHOLE, anchors=KNOWN) == [
        "ok: key matches",
        "ok: chain complete (Toy CA > Toy Root)",
        "ok: valid until 2027-01-30",
        "note: root included, will not be served",
    ]


BLOCKS = [key_pem(LEAF.key), *map(pem, (LEAF.certificate, CA.certificate, ROOT.certificate))]


@given(st.permutations([*BLOCKS, b"Subject: www\n"]), st.lists(st.sampled_from(BLOCKS), max_size=3), st.integers(0, 5))
def test_blocks_in_any_order_and_number_of_files_with_duplicates_are_the_same_chain(order, again, cut):
    files = [b"".join(order[:cut]), b"".join([*order[cut:], *again])]
    assert is_whole(look(*(text for text in files if b"BEGIN" in text)))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\r"),
        lambda text: b"\n\n  " + text.replace(b"\n", b"\n    "),
        lambda text: text.replace(b"\n", b"\n> "),
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.replace(b"\n", b"\xc2\xa0\n"),
        lambda text: json.dumps({"chain": text.decode()}).encode(),
        lambda text: text.replace(b"\n", b" "),
        lambda text: text.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
        lambda text: text.replace(b"-----\n-----", b"----------"),
        lambda text: text.replace(b"-----BEGIN", b"- -----BEGIN").replace(b"-----END", b"- -----END"),
        signed,
        lambda text: text.decode().replace("\n", "\u200b\u00a0\n").replace("BEGIN ", "BEGIN\u202f").encode(),
        lambda text: text.decode().replace("=", "\ufeff=\u2060").replace("M", "\u00adM").encode(),
        lambda text: text.decode().replace("\n", "\u2028").encode(),
        lambda text: text.replace(b"\n", b"\xa0\n"),
        lambda text: text.decode().encode("utf-16-le"),
        lambda text: b"# k\xf6nig\n" + text,
        lambda text: text.replace(b"/", b"\\/"),
        lambda text: b"Bag Attributes\n    friendlyName: x\n" + text + b"-- \nKind regards",
    ],
    ids=[
        *("mark", "crlf", "cr", "indented", "quoted", "utf-16", "web page", "json", "one line", "old label"),
        *("joined by cat", "dash-escaped", "signed text", "blanks", "no width", "line separator", "latin-1 blank"),
        *("utf-16 without mark", "latin-1", "json of PHP", "mail"),
    ],
)
def test_text_is_read_as_people_paste_it(change):
    assert is_whole(look(change(WHOLE)))


@pytest.mark.parametrize("key", [LEAF.key, RSA.key], ids=["ec", "rsa"])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_is_read_in_each_of_its_forms(key, form):
    party = LEAF if key is LEAF.key else RSA
    wanted = Chain(key=key, leaf=party.certificate)
    certificates = pem(party.certificate) + BUNDLE
    assert look(certificates, key_der(key, form)).chain == wanted
    assert look(certificates, encrypted_pem(key, b"geheim", form), passphrase=b"geheim").chain == wanted
    assert look(certificates, key_pem(key), passphrase=b"not needed").chain == wanted
    encrypted = key_der(key, secret=b"geheim")
    assert look(certificates, encrypted, passphrase=b"geheim").chain == wanted


def test_certificates_are_read_in_each_of_their_forms():
    all_three = [LEAF.certificate, CA.certificate, ROOT.certificate]
    key = key_pem(LEAF.key)
    assert is_whole(look(key, *map(der, all_three)))
    assert is_whole(look(key, b"".join(map(der, all_three)) + b"\r\n"))
    for encoding in (Encoding.DER, Encoding.PEM):
        assert is_whole(look(key, pkcs7.serialize_certificates(all_three, encoding)))
    encoded = base64.encodebytes(pkcs7.serialize_certificates(all_three, Encoding.DER))
    windows = b"-----BEGIN CERTIFICATE-----\n" + encoded + b"-----END CERTIFICATE-----\n"
    assert is_whole(look(key, windows))


@pytest.mark.parametrize(
    ("content", "label"),
    [
        *((pkcs7.serialize_certificates([LEAF.certificate, CA.certificate], Encoding.DER), label)
          for label in ("PKCS7", "PKCS #7 SIGNED DATA", "CMS", "CERTIFICATE CHAIN", "CERTIFICATE")),
        *((der(LEAF.certificate), label) for label in ("X509 CERTIFICATE", "TRUSTED CERTIFICATE", "TLS Certificate".upper())),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_certificates_are_read_under_each_label(content, label):
    block = f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n"
    assert is_whole(look(key_pem(LEAF.key), block.encode() + BUNDLE))


@pytest.mark.parametrize(
    ("content", "label"),
    [
        (key_der(LEAF.key), "ANY PRIVATE KEY"),
        (key_der(LEAF.key), "RSA PRIVATE KEY"),
        (key_der(LEAF.key, PrivateFormat.TraditionalOpenSSL), "PRIVATE KEY"),
        (key_der(LEAF.key, PrivateFormat.TraditionalOpenSSL), "KEY"),
        (key_der(LEAF.key, secret=b"geheim"), "PRIVATE KEY"),
        (p12(LEAF, CA, secret=b"geheim"), "PKCS12"),
        (p12(LEAF, CA, secret=b"geheim"), "PFX"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys_are_read_under_each_label(content, label):
    block = f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n"
    assert is_whole(look(pem(LEAF.certificate) + BUNDLE, block.encode(), passphrase=b"geheim"))


def test_a_block_of_another_kind_is_left_out_though_it_is_not_whole():
    strange = b"-----BEGIN SURPRISE-----\n!\n-----END SURPRISE-----\n-----BEGIN MORE-----\n"
    assert findings(strange + WHOLE, anchors=KNOWN)[-2:] == [
        'note: a block "SURPRISE" left out (a, block 1)',
        'note: a block "MORE" left out (a, block 2)',
    ]


def test_a_trusted_certificate_of_openssl_is_read_without_what_stands_behind_it():
    trusted = base64.encodebytes(der(LEAF.certificate) + bytes.fromhex("300c300a06082b06010505070301"))
    block = b"-----BEGIN TRUSTED CERTIFICATE-----\n" + trusted + b"-----END TRUSTED CERTIFICATE-----\n"
    assert is_whole(look(key_pem(LEAF.key) + block + BUNDLE))


@pytest.mark.parametrize("secret", [b"", b"geheim", "päß wörd".encode()])
def test_pkcs12_is_opened_with_and_without_a_passphrase(secret):
    file = p12(LEAF, CA, ROOT, secret=secret)
    assert is_whole(look(file, passphrase=secret))
    if not secret:
        assert is_whole(look(file))
        assert is_whole(look(file, passphrase=b"not needed"))


def test_keys_beside_their_parameters_are_read():
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    assert findings(parameters + WHOLE, anchors=KNOWN) == findings(WHOLE, anchors=KNOWN)


def test_a_root_that_is_known_need_not_be_given():
    found = look(bundle_of(LEAF, CA), anchors=KNOWN)
    assert is_whole(found)
    assert [finding.sentence for finding in found.remarks][1:] == [
        "chain complete (Toy CA > Toy Root)",
        "valid until 2027-01-30",
    ]


def test_an_intermediate_that_the_administrator_trusts_is_served():
    found = look(bundle_of(LEAF), anchors=[CA.certificate, *KNOWN])
    assert is_whole(found)
    assert found.remarks[-1].sentence == '"Toy CA" was missing, and taken from the known certificates'
    alone = look(bundle_of(LEAF), anchors=[CA.certificate])
    assert (alone.chain.intermediates, alone.chain.anchor) == ((CA.certificate,), None)


def test_what_is_too_much_is_left_out_and_said():
    stranger = root("Another Root").authority("Another CA")
    old = issue("www.example.com", issuer=CA, names=("www.example.com", "*.example.com"), key=LEAF.key, days=30)
    request = x509.CertificateSigningRequestBuilder().subject_name(named("x")).sign(LEAF.key, SHA256())
    files = (
        bundle_of(LEAF, CA, CA, ROOT, ROOT, stranger, old),
        ("site.csr", request.public_bytes(Encoding.PEM)),
    )
    assert findings(*files, anchors=KNOWN)[3:] == [
        "note: root included, will not be served",
        "note: 2 duplicates left out",
        "note: 1 older certificate left out",
        "note: 1 certificate that the chain does not need left out",
        "note: a certificate signing request left out (site.csr)",
    ]


def test_a_cross_signed_way_that_leads_nowhere_is_not_gone():
    old = root("Old Root")
    twin = issue("Toy Root", issuer=old, ca=True, key=ROOT.key, days=3000)
    found = look(bundle_of(LEAF, CA, twin), anchors=KNOWN)
    assert is_whole(found)
    assert found.remarks[-1].sentence == "1 certificate that the chain does not need left out"
    longer = look(bundle_of(LEAF, CA, twin), anchors=[*KNOWN, old.certificate]).chain
    assert longer.intermediates == (CA.certificate, twin.certificate)
    assert longer.anchor == old.certificate


def test_of_two_issuers_the_one_that_is_valid_is_taken():
    key = p256_key()
    expired = issue("Twin CA", issuer=ROOT, ca=True, key=key, days=60)
    later = issue("Twin CA", issuer=ROOT, ca=True, key=key, now=NOW + 30 * DAY, days=300)
    leaf = expired.leaf("www.example.com", days=50)
    for now, wanted in ((NOW, expired), (NOW + 29 * DAY, later)):
        chain = look(bundle_of(leaf, expired, later, ROOT), now=now).chain
        assert chain.intermediates == (wanted.certificate,)


# Accepted, with a warning


def warnings_of(party, *issuers, **options) -> list[str]:
    found = look(bundle_of(party, *issuers), **{"anchors": KNOWN, **options}).remarks
    return [finding.sentence for finding in found if finding.level == "warning"]


@pytest.mark.parametrize(
    ("left", "when"),
    [
        (timedelta(days=6, hours=3), "in 6 days"),
        (timedelta(days=1), "in 24 hours"),
        (timedelta(hours=5), "within a day"),
    ],
)
def test_a_chain_that_ends_soon_is_accepted_with_a_warning(left, when):
    assert warnings_of(LEAF, CA, now=LEAF.certificate.not_valid_after_utc - left) == [f"expires {when}"]


def test_a_chain_ends_with_its_intermediate():
    short = ROOT.authority("Short CA", days=30)
    leaf = short.leaf("www.example.com")
    assert "ok: valid until 2026-12-01" in findings(bundle_of(leaf, short), anchors=KNOWN)
    assert warnings_of(leaf, short) == ['"Short CA" expires before "www.example.com": the chain ends on 2026-12-01']


def test_a_self_signed_chain_is_accepted_with_a_warning():
    said = ["self-signed: every client must be configured to trust it"]
    alone = issue("gw.example.test", issuer=None, names=("gw.example.test",))
    assert warnings_of(alone) == said
    authority = issue("gw.example.test", issuer=None, names=("gw.example.test",), ca=True)  # as of `openssl req -x509`
    said.append("it says that it is a certificate authority: Firefox and Python's cryptography refuse it")
    assert warnings_of(authority) == said


def test_a_chain_with_a_common_name_only_is_accepted_with_a_warning():
    old = issue("www.example.com", issuer=CA)
    assert look(bundle_of(old, CA), anchors=KNOWN).names == ("www.example.com",)
    assert warnings_of(old, CA) == [
        "has no SAN: Chromium, Firefox, Apple's clients, Go and Python's cryptography refuse it"
    ]


def test_what_apple_refuses_is_said():
    long = CA.leaf("www.example.com", days=825)
    assert "valid for more than 825 days: Apple's clients refuse it" in warnings_of(long, CA)


def test_a_key_that_may_not_sign_is_said():
    usage = x509.KeyUsage(*(False, False, True), *[False] * 6)
    leaf = CA.leaf("www.example.com", extensions=(usage,))
    assert warnings_of(leaf, CA) == ["its key usage lacks digitalSignature: clients with TLS 1.3 refuse it"]


def test_a_root_that_is_unknown_is_said():
    assert findings(WHOLE)[3] == 'note: the root "Toy Root" is not a known root: clients must be configured to trust it'


# Other roots of a private authority


def test_roots_that_came_beside_the_chain_s_own_are_kept_where_they_are_good_and_not_known_anyway():
    following, before, known = (root(f"{name} Root") for name in ("Next", "Old", "Public"))
    ended = root("Ended Root", now=NOW - 9000 * DAY)
    whole = WHOLE + pem(*(each.certificate for each in (following, known, ended, before)))
    found = look(whole, anchors=[known.certificate])
    assert found.chain.other_roots == (following.certificate, before.certificate)
    assert is_whole(found)
    said = findings(whole, anchors=[known.certificate])
    assert any("Next Root" in each and "is believed beside the root" in each for each in said)
    assert not any("Public Root" in each and "believed" in each for each in said)
