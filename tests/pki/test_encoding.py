import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12
from hypothesis import given
from hypothesis import strategies as st

from agent.errors.chain import (
    CertificateUnreadable,
    ChainError,
    ContentUnexpected,
    KeyMismatch,
    KeyUnreadable,
    NotEncodable,
)
from agent.pki.chain import Chain, PeerCertificate
from agent.pki.encoding import Format, Part, decode_parts, each_certificate, encode
from support.cas.certificates import key_pem, p256_key, pem, root

ROOT = root()
FIRST = ROOT.authority("First CA")
SECOND = FIRST.authority("Second CA")
LEAF = SECOND.leaf("www.example.com")
INTERMEDIATES = (SECOND.certificate, FIRST.certificate)
CHAIN = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=INTERMEDIATES, anchor=ROOT.certificate)
ROOTLESS = Chain(key=LEAF.key, leaf=LEAF.certificate, intermediates=INTERMEDIATES)
PEER = PeerCertificate(leaf=LEAF.certificate, intermediates=INTERMEDIATES, anchor=ROOT.certificate)
PASSPHRASE = "pässwörter, zwölf".encode()

CERTIFICATES = {
    Part.KEY: (),
    Part.LEAF: (LEAF.certificate,),
    Part.INTERMEDIATES: INTERMEDIATES,
    Part.FULLCHAIN: (LEAF.certificate, *INTERMEDIATES),
    Part.ROOT: (ROOT.certificate,),
    Part.CA: (*INTERMEDIATES, ROOT.certificate),
}


@pytest.mark.parametrize("part", [part for part in Part if part is not Part.KEY])
def test_each_part_is_its_certificates_in_order(part: Part):
    assert each_certificate(CHAIN, part) == CERTIFICATES[part]
    assert encode(CHAIN, [part]) == pem(*CERTIFICATES[part])
    assert encode(PEER, [part]) == encode(CHAIN, [part])


def test_parts_are_written_in_the_order_in_which_they_are_declared():
    key = encode(CHAIN, [Part.KEY])
    assert key == key_pem(LEAF.key)
    assert encode(CHAIN, [Part.KEY, Part.FULLCHAIN]) == key + pem(*CHAIN.presented)
    assert encode(CHAIN, [Part.LEAF, Part.KEY]) == pem(LEAF.certificate) + key


def test_a_root_that_is_not_known_is_left_out():
    assert encode(ROOTLESS, [Part.ROOT]) == b""
    assert encode(ROOTLESS, [Part.CA]) == pem(*INTERMEDIATES)


def test_old_services_get_the_key_in_its_traditional_form():
    text = encode(CHAIN, [Part.KEY], key_format="traditional")
    assert text.startswith(b"-----BEGIN EC PRIVATE KEY-----\n")
    assert load_pem_private_key(text, None).public_key() == LEAF.key.public_key()
    modern = ROOT.leaf("www.example.com", key=ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(NotEncodable, match="no traditional form"):
        encode(Chain(key=modern.key, leaf=modern.certificate), [Part.KEY], key_format="traditional")


def test_der_holds_exactly_one_object():
    assert x509.load_der_x509_certificate(encode(CHAIN, [Part.LEAF], Format.DER)) == LEAF.certificate
    assert load_der_private_key(encode(CHAIN, [Part.KEY], Format.DER), None).public_key() == LEAF.key.public_key()
    for parts, count in [([Part.KEY, Part.LEAF], 2), ([Part.FULLCHAIN], 3), ([], 0)]:
        with pytest.raises(NotEncodable, match=f"exactly one key or certificate, and these are {count}"):
            encode(CHAIN, parts, Format.DER)


@pytest.mark.parametrize("format_", [Format.PEM, Format.DER])
def test_an_index_picks_one_certificate_of_a_part(format_: Format):
    load = x509.load_pem_x509_certificate if format_ is Format.PEM else x509.load_der_x509_certificate
    for index, certificate in enumerate(CERTIFICATES[Part.CA]):
        assert load(encode(CHAIN, [Part.CA], format_, index=index)) == certificate
    for index in (3, -1):
        with pytest.raises(NotEncodable, match="there are 3 certificates"):
            encode(CHAIN, [Part.CA], format_, index=index)
    with pytest.raises(NotEncodable, match="exactly one part"):
        encode(CHAIN, [Part.LEAF, Part.CA], format_, index=0)


@pytest.mark.parametrize("password", [None, b"secret"])
def test_pkcs12_holds_the_leaf_its_key_and_the_others(password: bytes | None):
    parts = [Part.KEY, Part.FULLCHAIN, Part.CA]
    content = pkcs12.load_pkcs12(encode(CHAIN, parts, Format.PKCS12, password=password), password)
    assert content.key.public_key() == LEAF.key.public_key()
    assert content.cert.certificate == LEAF.certificate
    assert content.cert.friendly_name == b"www.example.com"
    assert [item.certificate for item in content.additional_certs] == [*INTERMEDIATES, ROOT.certificate]


def test_pkcs12_that_leaves_the_appliance_takes_as_long_to_guess_by_its_mac_as_by_its_cipher(tmp_path):
    file = tmp_path / "t.p12"
    file.write_bytes(encode(CHAIN, PAIR, Format.PKCS12, password=PASSPHRASE))
    command = ["openssl", "pkcs12", "-info", "-noout", "-in", file, "-passin", f"pass:{PASSPHRASE.decode()}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr
    assert said.splitlines()[0] == "MAC: sha256, Iteration 600000"
    assert said.count("PBES2, PBKDF2, AES-256-CBC, Iteration 600000, PRF hmacWithSHA256") == 2
    assert said.count("Iteration") == 3


@pytest.mark.parametrize(
    "command",
    [
        "openssl pkcs12 -in {file} -passin pass:{passphrase} -noenc",
        "certtool --p12-info --inder --infile {file} --password {passphrase}",
        "pk12util -l {file} -W {passphrase}",
        "keytool -list -v -keystore {file} -storetype PKCS12 -storepass {passphrase}",
    ],
    ids=lambda command: command.split()[0],
)
def test_pkcs12_is_opened_by_what_people_have(tmp_path, command):
    if shutil.which(command.split()[0]) is None:
        pytest.skip("it is not installed")
    file = tmp_path / "t.p12"
    file.write_bytes(encode(CHAIN, PAIR, Format.PKCS12, password=b"twelve-or-more"))
    argv = command.format(file=file, passphrase="twelve-or-more").split()
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert (done.returncode, "www.example.com" in done.stdout) == (0, True), done.stderr


def test_pkcs12_without_the_leaf_is_refused():
    for parts in ([Part.KEY], [Part.CA], []):
        with pytest.raises(NotEncodable, match="the leaf must be among them"):
            encode(CHAIN, parts, Format.PKCS12)
    with pytest.raises(NotEncodable, match="an index"):
        encode(CHAIN, [Part.LEAF], Format.PKCS12, index=0)


def test_a_peer_certificate_has_no_key_to_write():
    for format_ in Format:
        with pytest.raises(NotEncodable, match="someone else's key"):
            encode(PEER, [Part.KEY], format_) if format_ is not Format.PKCS12 else encode(
                PEER, [Part.KEY, Part.LEAF], format_
            )


@given(st.lists(st.sampled_from(Part), min_size=1, max_size=4))
def test_what_was_written_in_pem_is_read_back(parts: list[Part]):
    parts = list(dict.fromkeys(parts))
    key, certificates = decode_parts(encode(CHAIN, parts), parts)
    assert (key is not None) == (Part.KEY in parts)
    assert certificates == tuple(each for part in parts for each in CERTIFICATES[part])


@pytest.mark.parametrize("format_", [Format.DER, Format.PKCS12])
def test_what_was_written_in_other_formats_is_read_back(format_: Format):
    if format_ is Format.PKCS12:
        parts = [Part.KEY, Part.FULLCHAIN]
        key, certificates = decode_parts(encode(CHAIN, parts, format_, password=b"x"), parts, format_, password=b"x")
        assert certificates == CHAIN.presented
    else:
        key, nothing = decode_parts(encode(CHAIN, [Part.KEY], format_), [Part.KEY], format_)
        assert nothing == ()
        assert decode_parts(encode(CHAIN, [Part.LEAF], format_), [Part.LEAF], format_) == (None, (LEAF.certificate,))
    assert key is not None
    assert key.public_key() == LEAF.key.public_key()


KEY = key_pem(LEAF.key)
STRANGER = key_pem(p256_key())
PAIR = [Part.KEY, Part.FULLCHAIN]


@pytest.mark.parametrize(
    ("data", "parts", "format_", "error", "reason"),
    [
        (b"garbage", PAIR, Format.PEM, ContentUnexpected, "it is damaged or not PEM text"),
        (b"", PAIR, Format.PEM, ContentUnexpected, "there is no private key"),
        (b"", [Part.LEAF], Format.PEM, ContentUnexpected, "there is no certificate"),
        (KEY, PAIR, Format.PEM, ContentUnexpected, "there is no certificate"),
        (pem(LEAF.certificate), PAIR, Format.PEM, ContentUnexpected, "there is no private key"),
        (KEY + pem(LEAF.certificate), [Part.LEAF], Format.PEM, ContentUnexpected, "there is a private key in it"),
        (KEY + pem(LEAF.certificate)[:-30], PAIR, Format.PEM, ContentUnexpected, "it is damaged"),
        (STRANGER + pem(*CHAIN.presented), PAIR, Format.PEM, KeyMismatch, '"www.example.com"'),
        (KEY + pem(*INTERMEDIATES), PAIR, Format.PEM, KeyMismatch, '"Second CA"'),
        (KEY.replace(b"M", b"A", 1) + pem(LEAF.certificate), PAIR, Format.PEM, KeyUnreadable, "damaged or not a key"),
        (b"garbage", [Part.KEY], Format.DER, KeyUnreadable, "damaged or not a key"),
        (b"garbage", [Part.LEAF], Format.DER, CertificateUnreadable, "it is cut short"),
        (b"garbage", PAIR, Format.PKCS12, ContentUnexpected, "it is damaged or has another password"),
    ],
)
def test_what_is_wrong_with_a_staged_file_is_said_without_its_bytes(data, parts, format_, error, reason):
    with pytest.raises(error) as caught:
        decode_parts(data, parts, format_)
    assert reason in str(caught.value)
    for line in KEY.splitlines()[1:-1]:
        assert line.decode() not in f"{caught.value!r} {caught.value} {caught.value.problem}"


def test_another_password_is_said():
    data = encode(CHAIN, PAIR, Format.PKCS12, password=b"right")
    with pytest.raises(ContentUnexpected, match="another password"):
        decode_parts(data, PAIR, Format.PKCS12, password=b"wrong")


@given(
    data=st.binary(max_size=300),
    format_=st.sampled_from(Format),
    parts=st.sampled_from([[Part.KEY], [Part.LEAF], PAIR]),
)
def test_garbage_is_always_an_error_of_ours(data: bytes, format_: Format, parts: list[Part]):
    with pytest.raises(ChainError):
        decode_parts(data, parts, format_)
