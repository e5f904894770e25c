"""Uploads that were read wrongly, or not at all: a line for each, with what is said of it."""

from __future__ import annotations

import base64
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7
from cryptography.x509 import ObjectIdentifier, UnrecognizedExtension

from agent.inspection.pkcs12 import is_opened_by, without_mac
from agent.pki.asn1 import value_at
from support.cas.certificates import NOW, Party, issue, key_pem, p256_key, pem, rsa_key
from support.fakes.odd_keys import PROVIDERS, SECRET, openssl, pkcs8, traditional, with_curve_written_out
from support.fakes.uploads import (
    BUNDLE,
    CA,
    LEAF,
    NEW_KEY_CURE,
    ROOT,
    SALT,
    WHOLE,
    bundle_of,
    certificate_bag,
    der,
    encrypted_key,
    encrypted_safe,
    findings,
    hidden_safe,
    integer,
    key_bag,
    key_der,
    look,
    nested,
    oid,
    p12,
    pbes2,
    pbkdf2,
    pfx,
    plain_safe,
    refusal,
    rewritten,
    scrypt,
    serial_of,
    several,
    shrouded,
    tlv,
)

KNOWN = [ROOT.certificate]
CERTIFICATES = pem(LEAF.certificate) + BUNDLE
SHOP = CA.leaf("shop.example.com")
OLD = issue("www.example.com", issuer=CA, names=("www.example.com", "*.example.com"), days=1, now=NOW)
WRONG = (
    "k: The passphrase does not open it.\n"
    "Enter the passphrase that it was encrypted with; mind capital letters and the keyboard's layout."
)
P12_MISSING = (
    "a: The PKCS#12 file is protected by a passphrase, and none was given.\n"
    "Enter its passphrase (--passphrase-file FILE), or decrypt it: openssl pkcs12 -in FILE -nodes -out plain.pem"
)
CHOOSE = (
    "Say for which name it is meant (--for NAME; on the page: only for this domain). Or upload them separately, each with "
    "its own private key and the certificates of its issuers."
)
AES = (
    "Encrypt it with AES instead, with a program that knows that cipher: "
    "openssl pkey -provider default -provider legacy -in FILE -aes256 -out new.pem"
)


def block(label: str, content: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(content).decode()}-----END {label}-----\n".encode()


ALL = pkcs7.serialize_certificates([LEAF.certificate, CA.certificate], Encoding.DER)
FINE = ["ok: key matches", "ok: chain complete (Toy CA > Toy Root)", "ok: valid until 2027-01-30"]
ROOT_INCLUDED = "note: root included, will not be served"
READ = {
    "F10 joined by cat": ([WHOLE.replace(b"-----\n-----", b"----------")], [*FINE, ROOT_INCLUDED]),
    "F32 dash-escaped": ([re.sub(rb"(?m)^-", b"- -", WHOLE)], [*FINE, ROOT_INCLUDED]),
    "F32 quoted-printable": ([WHOLE.replace(b"=", b"=3D")], [*FINE, ROOT_INCLUDED]),
    "F32 quoted-printable, lines broken": (
        [re.sub(rb"(?m)^([^-\n]{40})(.)", rb"\1=\n\2", WHOLE.replace(b"=", b"=3D"))],
        [*FINE, ROOT_INCLUDED],
    ),
    "F23 Base64 of PKCS#7": ([key_pem(LEAF.key), base64.encodebytes(ALL)], FINE),
    "F23 Base64 of a certificate": (
        [key_pem(LEAF.key), base64.b64encode(der(LEAF.certificate)), b"\xef\xbb\xbf" + base64.encodebytes(der(CA.certificate))],
        FINE,
    ),
    "P03 Base64 of PKCS#12": ([base64.encodebytes(p12(LEAF, CA, secret=SECRET))], FINE),
    "K04 no line after the headers": (
        [traditional(LEAF.key, "aes128").replace(b"\n\n", b"\n"), CERTIFICATES],
        [*FINE, ROOT_INCLUDED],
    ),
    "F34 zero-width blanks": ([WHOLE.replace(b"\n", "\u200b\u00a0\n".encode())], [*FINE, ROOT_INCLUDED]),
    "F23 label of RFC 2315": ([key_pem(LEAF.key), block("PKCS #7 SIGNED DATA", ALL)], FINE),
    "K02 curve written out": ([with_curve_written_out(LEAF.key), CERTIFICATES], [*FINE, ROOT_INCLUDED]),
    "K02 compressed": ([with_curve_written_out(LEAF.key, "compressed"), CERTIFICATES], [*FINE, ROOT_INCLUDED]),
    "K04 DES": ([traditional(LEAF.key, "des"), CERTIFICATES], [*FINE, ROOT_INCLUDED]),
    "P15d old one first": ([several([OLD, LEAF], CA, secret=SECRET)], [*FINE, "note: 1 older certificate left out"]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_what_people_have_is_read(case: str):
    files, remarks = READ[case]
    now = OLD.certificate.not_valid_after_utc if case.startswith("P15d") else NOW
    assert findings(*files, passphrase=SECRET, anchors=KNOWN, now=now) == remarks


def odd_extension(oid: str, content: bytes) -> Party:
    """Return a leaf with an extension of any content."""
    return CA.leaf("www.example.com", extensions=(UnrecognizedExtension(ObjectIdentifier(oid), content),))


REFUSED = {
    "C01c serial number 0": (
        [bundle_of(rewritten(LEAF, CA, serial_of(LEAF), integer(0)), CA, ROOT)],
        (
            'The certificate of "www.example.com" is not well-formed: its serial number is 0 (RFC 5280 section 4.1.2.2).\n'
            "Ask the certificate authority for a correct one."
        ),
    ),
    "C01c serial number below 0": (
        [bundle_of(rewritten(LEAF, CA, serial_of(LEAF), integer(-5)), CA, ROOT)],
        (
            'The certificate of "www.example.com" is not well-formed: its serial number is negative (RFC 5280 section 4.1.2.2).\n'
            "Ask the certificate authority for a correct one."
        ),
    ),
    "C01c serial number 0 of an intermediate": (
        [bundle_of(LEAF, rewritten(CA, ROOT, serial_of(CA), integer(0)), ROOT)],
        (
            'The certificate of "Toy CA" is not well-formed: its serial number is 0 (RFC 5280 section 4.1.2.2).\n'
            "Ask the certificate authority for a correct one."
        ),
    ),
    **{
        f"an extension that can't be read: {name}": (
            [bundle_of(odd_extension(oid, content), CA, ROOT)],
            (
                f'The certificate of "www.example.com" is not well-formed: its extension {name} can\'t be read: {reason}.\n'
                "Ask the certificate authority for a correct one."
            ),
        )
        for oid, content, name, reason in (
            ("2.5.29.15", b"\x04\x01x", "keyUsage", "it begins with something else"),
            ("2.5.29.37", b"\x30\x00", "extKeyUsage", "it is malformed"),
            ("2.5.29.32", b"\x30", "certificatePolicies", "it is cut short"),
            ("1.3.6.1.5.5.7.1.24", b"\x05\x00", "1.3.6.1.5.5.7.1.24", "it begins with something else"),
        )
    },
    "an extension that is there twice": (
        [bundle_of(rewritten(LEAF, CA, bytes.fromhex("0603551d0e"), bytes.fromhex("0603551d23")), CA, ROOT)],
        (
            'The certificate of "www.example.com" is not well-formed: it has the extension 2.5.29.35 twice '
            "(RFC 5280 section 4.2).\nAsk the certificate authority for a correct one."
        ),
    ),
    "P15 a key without a certificate": (
        [pfx(plain_safe(key_bag(LEAF), key_bag(SHOP)), plain_safe(certificate_bag(LEAF.certificate)))],
        (
            "There is a private key that belongs to no certificate (a, key 2), beside that of "
            '"www.example.com" (a, key 1).\nLeave out the key in a, key 2, or upload it with its own certificate.'
        ),
    ),
    "P15 two pairs": (
        [several([LEAF, SHOP], CA, secret=SECRET)],
        f'There are 2 certificates with their private keys: "www.example.com", "shop.example.com".\n{CHOOSE}',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_t_be_taken_is_refused_with_its_true_reason(case: str):
    files, message = REFUSED[case]
    assert refusal(*files, passphrase=SECRET, anchors=KNOWN) == message


def test_a_key_whose_length_is_impossible_is_not_said_to_be_cut_short():
    reasons = {
        b"\x30\xff": "its second byte can't be that of a length",
        b"\x30\x7f": "it ends too early, after 9 of 129 bytes",
    }
    for first, reason in reasons.items():
        assert refusal(CERTIFICATES, ("k", block("PRIVATE KEY", first + bytes(7)))) == (
            f"k: This is a private key, but it can't be read: {reason}.\n"
            "Get it again from where it comes from; binary files must be copied unchanged."
        )


def test_a_pkcs12_file_without_its_passphrase_is_called_that():
    for party in (LEAF, CA):
        assert refusal(p12(party, ROOT, secret=SECRET)) == P12_MISSING


@pytest.mark.parametrize("passphrase", [None, SECRET])
def test_a_pkcs12_file_that_nothing_protects_is_not_called_protected(passphrase):
    tbs = LEAF.certificate.tbs_certificate_bytes
    file = several([LEAF], CA).replace(tbs, tbs.replace(b"\x17\x0d26", b"\x17\x0dxx"))
    malformed = several([LEAF], CA).replace(tbs, b"\x31" + tbs[1:])
    cure = "Get it again from where it comes from; binary files must be copied unchanged."
    what = "k: This is a PKCS#12 file, but it can't be read: "
    time = "its field tbs_cert.validity.not_before has a value that is not allowed (a certificate)"
    assert refusal(("k", file), passphrase=passphrase) == f"{what}{time}.\n{cure}"
    assert (
        refusal(("k", malformed), passphrase=passphrase) == f"{what}a key or a certificate in it is malformed.\n{cure}"
    )


# Ciphers

TRADITIONAL = (
    *("des", "des3", "des-ede-cbc", "des-ede3-cfb", "aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "aes-128-cfb"),
    *("camellia-128-cbc", "aria-128-cbc", "seed-cbc", "bf-cbc", "cast5-cbc", "rc2-cbc", "rc2-40-cbc", "sm4-cbc"),
)
PKCS8 = (
    *(("-v1", f"PBE-{each}") for each in ("MD5-DES", "MD5-RC2-64", "SHA1-DES", "SHA1-RC2-64", "SHA1-RC4-128", "SHA1-RC4-40")),
    *(("-v1", f"PBE-SHA1-{each}") for each in ("3DES", "2DES", "RC2-128", "RC2-40")),
    *(("-v2", each) for each in ("des-cbc", "des3", "aes-128-cbc", "aes-256-cfb", "camellia-128-cbc", "rc2-40-cbc", "bf-cbc")),
    *(("-v2", "aes-256-cbc", "-v2prf", each) for each in ("hmacWithMD5", "hmacWithSHA512-256")),
    ("-scrypt",),
)  # fmt: skip


@pytest.mark.parametrize("cipher", TRADITIONAL)
def test_a_traditional_key_is_decrypted_with_every_cipher_of_openssl(cipher: str):
    key = traditional(LEAF.key, cipher)
    assert look(CERTIFICATES, key, passphrase=SECRET).chain.leaf == LEAF.certificate
    assert refusal(CERTIFICATES, ("k", key), passphrase=b"another") == WRONG


@pytest.mark.parametrize("how", PKCS8, ids=" ".join)
def test_a_pkcs8_key_is_decrypted_with_every_cipher_of_openssl(how: tuple[str, ...]):
    key = pkcs8(LEAF.key, *how)
    assert look(CERTIFICATES, key, passphrase=SECRET).chain.leaf == LEAF.certificate
    assert refusal(CERTIFICATES, ("k", key), passphrase=b"another") == WRONG


@pytest.mark.parametrize(
    "cipher", ["NONE", "PBE-SHA1-RC2-40", "PBE-SHA1-RC4-128", "PBE-SHA1-3DES", "camellia-256-cbc", "bf-cbc"]
)
def test_a_pkcs12_file_is_decrypted_with_every_cipher_of_openssl(cipher: str, tmp_path):
    (tmp_path / "all.pem").write_bytes(WHOLE)
    how = ("-keypbe", cipher, "-certpbe", cipher, "-passout", f"pass:{SECRET.decode()}")
    file = openssl("pkcs12", "-export", *PROVIDERS, "-in", str(tmp_path / "all.pem"), *how)
    assert look(file, passphrase=SECRET).chain.leaf == LEAF.certificate
    assert refusal(("k", file), passphrase=b"another") == WRONG


def test_a_cipher_that_openssl_does_not_have_is_named():
    message = f"k: It is encrypted with {{}}, which can't be decrypted here.\n{AES}"
    old = traditional(LEAF.key, "des").replace(b"DES-CBC,", b"RC5-CBC,")
    assert refusal(CERTIFICATES, ("k", old), passphrase=SECRET) == message.format("RC5-CBC")
    for algorithm, name in UNKNOWN.items():
        key = tlv(0x30, algorithm, tlv(0x04, bytes(64)))
        assert refusal(CERTIFICATES, ("k", key), passphrase=SECRET) == message.format(name)
        for file in (pfx(encrypted_safe(algorithm, bytes(64))), pfx(plain_safe(shrouded(key)))):
            assert refusal(("k", file), passphrase=SECRET) == message.format(name)


PBES1 = tlv(0x30, tlv(0x04, SALT), integer(2048))
UNKNOWN = {
    tlv(0x30, oid("2a864886f70d010501"), PBES1): "DES and MD2",
    tlv(0x30, oid("2a8648ce3d027f"), PBES1): "the cipher 1.2.840.10045.2.127",
    pbes2(pbkdf2(1000)).replace(oid("60864801650304012a"), oid("60864801650304012e")): "AES-256-GCM",
    pbes2(pbkdf2(1000)).replace(oid("2a864886f70d01050c"), oid("2a864886f70d01057f")): (
        "the key derivation 1.2.840.113549.1.5.127"
    ),
}


def test_the_command_that_is_said_to_encrypt_with_aes_does_so(tmp_path):
    for number, key in enumerate((traditional(LEAF.key, "des"), pkcs8(LEAF.key, "-v1", "PBE-SHA1-RC2-128"))):
        path, new = tmp_path / f"{number}.pem", tmp_path / f"{number}-new.pem"
        path.write_bytes(key)
        command = AES.partition(": openssl ")[2].replace("FILE", str(path)).replace("new.pem", str(new)).split()
        secret = f"pass:{SECRET.decode()}"
        openssl(*command, "-passin", secret, "-passout", secret)
        assert look(CERTIFICATES, new.read_bytes(), passphrase=SECRET).chain.leaf == LEAF.certificate


def test_the_command_that_is_said_to_open_a_pkcs12_file_does_so(tmp_path):
    file, plain = tmp_path / "a.p12", tmp_path / "plain.pem"
    file.write_bytes(p12(LEAF, CA, ROOT, secret=SECRET))
    command = P12_MISSING.partition(": openssl ")[2].replace("FILE", str(file)).replace("plain.pem", str(plain)).split()
    openssl(*command, "-passin", f"pass:{SECRET.decode()}")
    assert look(plain.read_bytes()).chain.leaf == LEAF.certificate


LEGACY = "-provider default -provider legacy "


@pytest.mark.parametrize(
    ("key", "options"),
    [
        (traditional(LEAF.key, "des"), LEGACY),
        (traditional(LEAF.key, "bf-cbc"), LEGACY),
        (traditional(LEAF.key, "aes128"), ""),
        (traditional(LEAF.key, "des3"), ""),
        (pkcs8(LEAF.key, "-v2", "des-cbc"), LEGACY),
        (pkcs8(LEAF.key, "-v1", "PBE-MD5-DES"), LEGACY),
        (pkcs8(LEAF.key, "-v1", "PBE-SHA1-3DES"), ""),
        (pkcs8(LEAF.key, "-v2", "camellia-256-cbc"), ""),
    ],
    ids=["DES", "Blowfish", "AES", "3DES", "PBES2 DES", "PBES1 DES", "PBE 3DES", "Camellia"],
)
def test_the_command_that_is_said_to_decrypt_a_key_does_so(key: bytes, options: str, tmp_path):
    file, plain = tmp_path / "a.key", tmp_path / "plain.pem"
    file.write_bytes(key)
    said = refusal(CERTIFICATES, ("k", key))
    command = f"openssl pkey {options}-in FILE -out plain.pem"
    assert said == (
        "k: The private key is protected by a passphrase, and none was given.\n"
        f"Enter its passphrase (--passphrase-file FILE), or decrypt it: {command}"
    )
    argv = command.replace("FILE", str(file)).replace("plain.pem", str(plain)).split()
    openssl(*argv[1:], "-passin", f"pass:{SECRET.decode()}")
    assert look(CERTIFICATES, plain.read_bytes()).chain.leaf == LEAF.certificate


@pytest.mark.parametrize(
    ("cipher", "legacy"), [("PBE-SHA1-RC2-40", "-legacy "), ("PBE-SHA1-3DES", ""), ("aes-256-cbc", "")]
)
def test_the_command_that_is_said_to_open_an_old_pkcs12_file_does_so(cipher: str, legacy: str, tmp_path):
    file, plain = tmp_path / "a.p12", tmp_path / "plain.pem"
    (tmp_path / "all.pem").write_bytes(WHOLE)
    how = ("-keypbe", cipher, "-certpbe", cipher, "-passout", f"pass:{SECRET.decode()}")
    openssl("pkcs12", "-export", *PROVIDERS, "-in", str(tmp_path / "all.pem"), *how, "-out", str(file))
    said = refusal(file.read_bytes())
    assert said == P12_MISSING.replace("pkcs12 -in", f"pkcs12 {legacy}-in")
    command = said.partition(": openssl ")[2].replace("FILE", str(file)).replace("plain.pem", str(plain)).split()
    openssl(*command, "-passin", f"pass:{SECRET.decode()}")
    assert look(plain.read_bytes()).chain.leaf == LEAF.certificate


def test_damaged_headers_of_an_encrypted_key_are_said():
    key = traditional(LEAF.key, "des")
    for odd in (key.replace(b"DEK-Info: DES-CBC,", b"DEK-Info: DES-CBC,zz"), key.replace(b"DEK-Info:", b"Key-Info:")):
        assert refusal(CERTIFICATES, ("k", odd), passphrase=SECRET) == (
            "k: This is an encrypted private key, but it can't be read: its Proc-Type and DEK-Info lines are malformed.\n"
            "Get it again from where it comes from; binary files must be copied unchanged."
        )


def test_a_passphrase_in_another_encoding_opens_a_pkcs12_file():
    file = p12(LEAF, CA, ROOT, secret="Schlüssel".encode())
    assert look(file, passphrase="Schlüssel".encode("latin-1")).chain.leaf == LEAF.certificate


def second_version(key) -> bytes:
    """Return a key with its public key beside it, as RFC 5958 has it and many libraries write it."""
    _, *rest = [each.encoded() for each in value_at(key_der(key), 0).children()]
    form = PublicFormat.Raw if isinstance(key, ed25519.Ed25519PrivateKey) else PublicFormat.UncompressedPoint
    public = key.public_key().public_bytes(Encoding.Raw if form is PublicFormat.Raw else Encoding.X962, form)
    return tlv(0x30, integer(1), *rest, tlv(0x81, b"\0" + public))


@pytest.mark.parametrize("key", [LEAF.key, ed25519.Ed25519PrivateKey.generate()], ids=["ec", "ed25519"])
def test_a_key_in_the_second_version_of_its_form_is_read(key):
    party = CA.leaf("www.example.com", key=key)
    assert look(pem(party.certificate) + BUNDLE, second_version(key)).chain.leaf == party.certificate


@pytest.mark.parametrize("secret", [b"", SECRET], ids=["plain", "encrypted"])
def test_a_key_whose_numbers_do_not_belong_together_is_damaged(secret: bytes):
    numbers = rsa_key().private_numbers()
    parts = (0, numbers.public_numbers.n, numbers.public_numbers.e, numbers.d, numbers.p, numbers.q + 2)
    odd = tlv(0x30, *map(integer, (*parts, numbers.dmp1, numbers.dmq1, numbers.iqmp)))
    what = "an encrypted private key" if secret else "a private key"
    given = (
        openssl("rsa", "-traditional", "-aes128", "-passout", "pass:geheim", given=block("RSA PRIVATE KEY", odd))
        if secret
        else odd
    )
    assert refusal(CERTIFICATES, ("k", given), passphrase=secret) == (
        f"k: This is {what}, but it can't be read: the numbers in it are not those of a key.\n"
        "Get it again from where it comes from; binary files must be copied unchanged."
    )


# Curves


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1()], ids=lambda curve: curve.name)
def test_the_parameters_of_a_curve_that_no_service_uses_are_called_that(curve):
    key = with_curve_written_out(ec.generate_private_key(curve))
    assert refusal(CERTIFICATES, key) == (
        f'Keys of the type "elliptic curve with parameters of its own" are not supported.\n{NEW_KEY_CURE}'
    )


def test_a_certificate_whose_curve_is_written_out_is_warned_of():
    """Firefox and GnuTLS can't read it, and OpenSSL 4 refuses it."""
    named = LEAF.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    point = LEAF.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    parameters = openssl("ecparam", "-name", "prime256v1", "-param_enc", "explicit", "-outform", "DER")
    written_out = tlv(0x30, tlv(0x30, oid("2a8648ce3d0201"), parameters), tlv(0x03, b"\0" + point))
    found = findings(bundle_of(rewritten(LEAF, CA, named, written_out), CA), anchors=KNOWN)
    assert found[3:] == [f'warning: the key of "www.example.com" is {WRITTEN_OUT}']


WRITTEN_OUT = (
    "on a curve that is written out instead of named (RFC 5480 section 2.1.1): "
    "Chromium, Firefox, OpenSSL and GnuTLS refuse it"
)


# Several pairs

TWO = several([LEAF, SHOP], CA, secret=SECRET)


def chosen(*files: bytes, **options):
    found = look(*files, **{"passphrase": SECRET, "anchors": KNOWN, **options})
    return found.chain.leaf, [each.sentence for each in found.remarks[3:]]


@pytest.mark.parametrize(
    "files",
    [[TWO], [key_pem(LEAF.key) + key_pem(SHOP.key) + pem(SHOP.certificate) + CERTIFICATES], [bundle_of(SHOP), WHOLE]],
)
def test_the_one_that_is_asked_for_is_taken(files):
    for name, party, other in (
        ("shop.example.com", SHOP, "www.example.com"),
        ("mail.example.com", LEAF, "shop.example.com"),
    ):
        leaf, remarks = chosen(*files, wanted=name)
        assert leaf == party.certificate
        assert f'"{other}" left out, and its key' in remarks


def in_a_safe(*bags: bytes) -> bytes:
    """Return a PKCS#12 file of two pairs, whose keys are in one encrypted safe with the certificates."""
    return pfx(
        hidden_safe(*bags, *map(certificate_bag, (each.certificate for each in (LEAF, SHOP, CA))), secret=SECRET)
    )


@pytest.mark.parametrize(
    "file",
    [
        in_a_safe(key_bag(LEAF), key_bag(SHOP)),
        in_a_safe(key_bag(LEAF, SECRET), key_bag(SHOP, SECRET)),
        in_a_safe(key_bag(LEAF), nested(key_bag(SHOP))),
        in_a_safe(nested(key_bag(LEAF), nested(key_bag(SHOP, SECRET)))),
        pfx(
            plain_safe(nested(key_bag(LEAF, SECRET)), key_bag(SHOP)),
            plain_safe(*map(certificate_bag, (LEAF.certificate, SHOP.certificate))),
        ),
    ],
    ids=["open", "each encrypted", "nested", "all nested", "not encrypted"],
)
def test_each_key_in_a_safe_is_seen(file: bytes):
    assert refusal(file, passphrase=SECRET, anchors=[CA.certificate]) == REFUSED["P15 two pairs"][1]
    for name, party in (("www.example.com", LEAF), ("shop.example.com", SHOP)):
        assert (
            look(file, passphrase=SECRET, anchors=[*KNOWN, CA.certificate], wanted=name).chain.leaf == party.certificate
        )


SAFES = (
    "PBE-SHA1-3DES",
    "PBE-SHA1-2DES",
    "PBE-SHA1-RC4-128",
    "PBE-SHA1-RC4-40",
    "aes-192-cbc",
    "aes-256-cbc",
    "camellia-256-cbc",
)


@pytest.mark.parametrize("cipher", SAFES)
@pytest.mark.parametrize("secret", ["geheim", "Schlüssel", ""])
def test_a_passphrase_is_right_where_it_decrypts_a_safe_or_fits_the_mac(cipher: str, secret: str, tmp_path):
    (tmp_path / "all.pem").write_bytes(WHOLE)
    how = ("-keypbe", cipher, "-certpbe", cipher, "-macalg", "sha384", "-passout", f"pass:{secret}")
    file = openssl("pkcs12", "-export", *PROVIDERS, "-in", str(tmp_path / "all.pem"), *how)
    for whole in (file, without_mac(file)):
        assert is_opened_by(whole, secret.encode() or None)
        assert not is_opened_by(whole, b"another")


@pytest.mark.parametrize(
    "algorithm",
    [
        pbes2(pbkdf2(0)),
        pbes2(pbkdf2(1 << 70)),
        pbes2(scrypt(15, 8, 1)),
        pbes2(tlv(0x30, oid("2a864886f70d01050c"), tlv(0x30))),
        pbes2(tlv(0x30)),
        tlv(0x30, oid("2a864886f70d010c0103"), tlv(0x30)),
        tlv(0x30, oid("2a864886f70d010c0103")),
    ],
    ids=[
        "no rounds",
        "too many rounds",
        "odd cost",
        "no salt",
        "no derivation",
        "no parameters of PBE",
        "no parameters",
    ],
)
def test_impossible_parameters_of_an_encryption_end_in_a_message(algorithm: bytes):
    mac = tlv(0x30, tlv(0x30, tlv(0x30), tlv(0x04)), tlv(0x04))
    for file in (
        pfx(encrypted_safe(algorithm, bytes(64))),
        tlv(0x30, pfx(encrypted_safe(algorithm, bytes(64)))[4:], mac),
    ):
        assert refusal(("k", file), passphrase=SECRET).startswith("k: ")


def test_a_right_passphrase_that_does_not_open_a_key_is_not_called_wrong():
    bags = map(certificate_bag, (LEAF.certificate, CA.certificate))
    for bag in (key_bag(LEAF, b"another"), shrouded(encrypted_key(pbkdf2(1000)))):
        assert refusal(("k", pfx(hidden_safe(bag, *bags, secret=SECRET))), passphrase=SECRET) == (
            "k: This is a PKCS#12 file, but it can't be read: the passphrase opens it, but not a key in it, "
            "which is malformed or has another passphrase.\n"
            "Get it again from where it comes from; binary files must be copied unchanged."
        )


def test_a_name_that_none_covers_chooses_nothing():
    assert refusal(TWO, passphrase=SECRET, wanted="example.org") == REFUSED["P15 two pairs"][1]


def test_the_one_that_is_valid_now_is_taken_and_of_two_the_newer():
    expired = issue("old.example.com", issuer=CA, names=("old.example.com",), days=1)
    newer = issue("www.example.com", issuer=CA, names=("www.example.com", "*.example.com"), days=400)
    now = expired.certificate.not_valid_after_utc
    assert chosen(several([expired, LEAF], CA), now=now) == (
        LEAF.certificate,
        ['"old.example.com" left out, and its key'],
    )
    leaf, remarks = chosen(several([newer, LEAF], CA))
    assert (leaf, remarks) == (newer.certificate, ["1 older certificate left out"])


def test_two_kinds_of_key_for_the_same_names_are_a_choice():
    names = ("www.example.com", "*.example.com")
    rsa = issue("www.example.com", issuer=CA, names=names, key=rsa_key())
    assert refusal(several([LEAF, rsa], CA), anchors=KNOWN) == (
        'There are 2 certificates with their private keys: "www.example.com (ecdsa-p256)", "www.example.com (rsa-2048)".\n'
        "Upload them separately, each with its own private key and the certificates of its issuers."
    )


def test_a_key_with_a_passphrase_of_its_own_is_called_by_its_number():
    assert refusal(("k", several([LEAF, SHOP], CA, secrets=[SECRET, b"another"])), passphrase=SECRET) == WRONG.replace(
        "k:", "k, key 2:"
    )


def test_a_key_beside_the_pairs_is_still_refused():
    assert refusal(WHOLE, ("old.key", key_pem(p256_key())), wanted="www.example.com").startswith(
        "There is a private key that belongs to no certificate (old.key)"
    )


def test_an_authority_beside_its_leaf_is_the_root_s():
    both = bundle_of(Party(CA.key, CA.certificate), ROOT) + key_pem(LEAF.key) + pem(LEAF.certificate)
    assert look(both).chain.leaf == LEAF.certificate
