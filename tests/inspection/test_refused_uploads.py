"""Refused uploads: each whole sentence, reached by real bytes."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from agent.inspection import InputFile
from agent.inspection.selection import short_digest
from support.cas.certificates import DAY, NOW, dsa_key, issue, key_pem, named, p256_key, pem, root, rsa_key
from support.fakes.uploads import (
    BUNDLE,
    CA,
    LEAF,
    NEW_KEY_CURE,
    ROOT,
    WHOLE,
    bundle_of,
    der,
    encrypted_pem,
    integer,
    key_der,
    look,
    p12,
    refusal,
    tlv,
)

OTHER = CA.leaf("shop.example.org")
KNOWN = [ROOT.certificate]

PEM_CURE = 'Choose the file whose text begins with "-----BEGIN CERTIFICATE-----", and that of the private key.'
BLOCK_CURE = "Copy it again as a whole, from its BEGIN line to its END line."
DAMAGED_CURE = "Get it again from where it comes from; binary files must be copied unchanged."
SEPARATELY = "Upload them separately, each with its own private key and the certificates of its issuers."
BY_NAME = (
    "Say for which name it is meant (--for NAME; on the page: only for this domain). Or upload them separately, each with "
    "its own private key and the certificates of its issuers."
)


# What is refused: nothing useful


def test_nothing_at_all_is_refused():
    message = (
        "Nothing was given: there is no file and no text.\n"
        "Give the certificate, its private key and the certificates of its issuers, as PEM, DER, PKCS#7 or PKCS#12."
    )
    assert refusal() == message
    assert refusal(b"", b" \n") == message


def test_too_much_is_refused():
    assert refusal(WHOLE, b" " * 1024 * 1024) == (
        f"The upload has {len(WHOLE) + 1048576} bytes, and 1048576 are allowed.\n"
        "Give only the certificate, its private key and the certificates of its issuers."
    )
    message = (
        "The upload holds more than 100 certificates.\n"
        "Give only those that lead from the certificate to its root, not a whole collection of roots."
    )
    assert refusal(WHOLE + pem(ROOT.certificate) * 98) == message
    assert look(WHOLE + pem(ROOT.certificate) * 97).chain
    assert refusal(WHOLE, pkcs7.serialize_certificates([CA.certificate] * 98, Encoding.DER)) == message
    assert refusal(WHOLE, key_pem(LEAF.key) * 10) == (
        "The upload holds more than 10 private keys.\nGive only the one that the certificate was requested with."
    )
    assert look(WHOLE, key_pem(LEAF.key) * 9).chain


MANY = 500_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"-----BEGIN CERTIFICATE-----\n" * (MANY // 14), 'Block 1 ("CERTIFICATE") is broken: it has no END line.'),
        (
            b"-----BEGIN CERTIFICATE-----\n" + b"\n" * MANY + b"-----END CERTIFICATE-----",
            'Block 1 ("CERTIFICATE") is broken: it is empty.',
        ),
        (b"-" * MANY, "it looks like text."),
        (b"\x30\x80" * MANY, "it can't be read: its structure is that of neither."),
        (
            b"\x30\x80\x02\x01\x03" + b"\x30\x80" * 12 + b"\x05\x00" * (MANY // 5) + b"\x00\x00" * 13,
            "it can't be read: its structure is not that of RFC 7292 with a passphrase.",
        ),
    ],
    ids=["beginnings", "empty lines", "hyphens", "openings", "values"],
)
def test_what_is_made_to_take_long_does_not(data: bytes, reason: str):
    assert reason in refusal(data, passphrase=b"x")


SSH = ed25519.Ed25519PrivateKey.generate()
PUBLIC = LEAF.key.public_key()
REQUEST = x509.CertificateSigningRequestBuilder().subject_name(named("x")).sign(LEAF.key, SHA256())
REVOCATIONS = (
    x509.CertificateRevocationListBuilder()
    .issuer_name(ROOT.certificate.subject)
    .last_update(NOW)
    .next_update(NOW + DAY)
    .sign(ROOT.key, SHA256())
)
UNPACK = "Unpack it and choose the files in it."
HTML_CURE = "The link led to a page, not to the file: download the file itself."
SSH_CURE = (
    "TLS needs the key in another form: ssh-keygen -p -m PKCS8 -f FILE rewrites it; usually another file is meant."
)
REQUEST_CURE = "Send it to a certificate authority, and upload the certificate that comes back with the key."
PUBLIC_CURE = "Choose the private key that belongs to it, and the certificate."
STORE_CURE = "Convert it: keytool -importkeystore -srckeystore FILE -destkeystore chain.p12 -deststoretype PKCS12"
BINARY_CURE = "Choose the file of the certificate, and that of the private key."


@pytest.mark.parametrize(
    ("data", "what", "cure"),
    [
        (b"\n<!DOCTYPE html><html>", "an HTML page", HTML_CURE),
        (b"<HTML><body>", "an HTML page", HTML_CURE),
        (b"<?xml version='1.0'?>", "an XML document", PEM_CURE),
        (b'{"error": "not found"}', "a JSON document", PEM_CURE),
        (b"hello", "text", PEM_CURE),
        (base64.encodebytes(bytes(90)), "base64 text without its BEGIN and END lines", PEM_CURE),
        (b"\x7fELF\x00\x01", "a binary file of some other kind", BINARY_CURE),
        (b"\x30\x03\x02\x01\x05", "a binary file of some other kind", BINARY_CURE),
        (b"PK\x03\x04rest", "a ZIP archive", UNPACK),
        (b"\x1f\x8b\x08", "a compressed archive", UNPACK),
        (b"%PDF-1.7", "a PDF document", PEM_CURE),
        (b"\xfe\xed\xfe\xed\0\0\0\2", "a Java keystore", STORE_CURE),
        (b"\xce\xce\xce\xce\0\0\0\2", "a Java keystore", STORE_CURE),
        (b"PuTTY-User-Key-File-3: ssh-ed25519", "a PuTTY private key", SSH_CURE),
        (
            SSH.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
            "an OpenSSH private key",
            SSH_CURE,
        ),
        (SSH.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "an OpenSSH public key", PEM_CURE),
        (REQUEST.public_bytes(Encoding.PEM), "a certificate signing request", REQUEST_CURE),
        (REQUEST.public_bytes(Encoding.DER), "a certificate signing request", REQUEST_CURE),
        (REVOCATIONS.public_bytes(Encoding.PEM), "a certificate revocation list", PEM_CURE),
        (REVOCATIONS.public_bytes(Encoding.DER), "a certificate revocation list", PEM_CURE),
        (PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "a public key", PUBLIC_CURE),
        (PUBLIC.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "a public key", PUBLIC_CURE),
        (rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1), "a public key", PUBLIC_CURE),
        (
            b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n",
            "parameters of a key exchange",
            PEM_CURE,
        ),
        (b"-----BEGIN PGP MESSAGE-----\nAAAA\n-----END PGP MESSAGE-----\n", 'a block "PGP MESSAGE"', PEM_CURE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_something_else_is_refused_by_what_it_looks_like(data: bytes, what: str, cure: str):
    assert refusal(("file", data)) == (
        f"file: This is neither a certificate nor a private key; it looks like {what}.\n{cure}"
    )


def test_an_empty_file_among_others_is_refused_by_its_name():
    assert refusal(WHOLE, ("portal.key", b"")) == (
        "portal.key: This is neither a certificate nor a private key; it looks like an empty file.\n"
        "Check whether it was downloaded or copied whole, and choose it again."
    )


BEGIN, END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("data", "number", "label", "reason"),
    [
        (BUNDLE[:-30], 2, "CERTIFICATE", "it has no END line"),
        (BUNDLE[30:], 1, "CERTIFICATE", "it has no BEGIN line"),
        (pem(CA.certificate) + BEGIN + pem(ROOT.certificate), 2, "CERTIFICATE", "it has no END line"),
        (key_pem(LEAF.key)[:-20] + BUNDLE, 1, "PRIVATE KEY", "it has no END line"),
        (
            key_pem(LEAF.key).replace(b"END PRIVATE", b"END EC PRIVATE"),
            1,
            "PRIVATE KEY",
            'its END line says "EC PRIVATE KEY"',
        ),
        (
            BUNDLE.replace(BEGIN, BEGIN[1:], 1),
            1,
            "CERTIFICATE",
            "its BEGIN line does not have five hyphens on each side",
        ),
        (
            BUNDLE.replace(END, END[:-2] + b"\n", 1),
            1,
            "CERTIFICATE",
            "its END line does not have five hyphens on each side",
        ),
        (BEGIN + END, 1, "CERTIFICATE", "it is empty"),
        (
            BUNDLE.replace(b"-----BEGIN", "\u2014\u2013BEGIN".encode(), 1),
            1,
            "CERTIFICATE",
            "its BEGIN line does not have five hyphens on each side",
        ),
        (BUNDLE[:60] + BUNDLE[61:], 1, "CERTIFICATE", "a part of its content is missing"),
        (
            BEGIN + b"QQ==\nQQ==\n" + END,
            1,
            "CERTIFICATE",
            "its content goes on behind the end of the Base64 text",
        ),
        (BUNDLE[:60] + b"\xc3\xa4" + BUNDLE[61:], 1, "CERTIFICATE", 'its content holds "ä", which is not Base64'),
        (
            BUNDLE[:60] + b"\x07" + BUNDLE[61:],
            1,
            "CERTIFICATE",
            "its content holds the character U+0007, which is not Base64",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_block_that_is_not_whole_is_refused_by_its_number(data: bytes, number: int, label: str, reason: str):
    assert refusal(("chain.pem", data)) == f'chain.pem: Block {number} ("{label}") is broken: {reason}.\n{BLOCK_CURE}'


def damaged(place: str, what: str, reason: str) -> str:
    return f"{place}: This is {what}, but it can't be read: {reason}.\n{DAMAGED_CURE}"


def test_what_is_damaged_inside_is_refused_with_what_is_wrong_with_it():
    spoilt = bytearray(der(CA.certificate))
    spoilt[4] ^= 0x01
    block = BEGIN + base64.encodebytes(bytes(spoilt)) + END
    odd = "its field tbs_cert is not what belongs there"
    assert refusal(WHOLE, ("ca.pem", block)) == damaged("ca.pem", "a certificate", odd)
    assert refusal(("a.pem", WHOLE + block)) == damaged("a.pem, block 5", "a certificate", odd)
    size = len(der(CA.certificate))
    torn = BEGIN + base64.encodebytes(der(CA.certificate)[:-7]) + END
    cut = f"it ends too early, after {size - 7} of {size} bytes"
    assert refusal(WHOLE, ("ca.pem", torn)) == damaged("ca.pem", "a certificate", cut)
    file = "a file of certificates or keys in DER form"
    assert refusal(("ca.der", der(CA.certificate)[:-7])) == damaged("ca.der", file, cut)
    behind = f"what follows after {size} bytes is neither certificate nor key"
    assert refusal(("two.der", der(CA.certificate) + b"rest")) == damaged("two.der", file, behind)
    cut = f"it ends too early, after 300 of {size} bytes"
    assert refusal(("two.der", der(CA.certificate) + der(CA.certificate)[:300])) == damaged("two.der", file, cut)


def test_a_damaged_key_is_refused_with_what_is_wrong_with_it():
    key = bytearray(key_der(LEAF.key))
    key[-5] ^= 0xFF
    reason = "the numbers in it are not those of a key"
    assert refusal(("a.key", bytes(key))) == damaged("a.key", "a private key", reason)
    odd = tlv(0x30, integer(0), tlv(0x30), tlv(0x04))
    reason = "its structure is not that of a key (unexpected end of data)"
    assert refusal(("a.key", odd)).startswith(
        "a.key: This is a private key, but it can't be read: its structure is not"
    )
    text = f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{base64.encodebytes(odd[:-1]).decode()}-----END ENCRYPTED PRIVATE KEY-----\n"
    size = len(odd)
    assert refusal(("a.key", text.encode()), passphrase=b"x") == damaged(
        "a.key", "an encrypted private key", f"it ends too early, after {size - 1} of {size} bytes"
    )


def test_a_damaged_bundle_is_refused_with_what_is_wrong_with_it():
    no_certificates = bytes.fromhex("302306092a864886f70d010702a0163014020101310030 0b06092a864886f70d0107013100")
    assert refusal(("a.p7b", no_certificates)) == damaged("a.p7b", "a PKCS#7 bundle", "it holds no certificate")
    file = p12(LEAF, CA, secret=b"geheim")
    assert refusal(("a.p12", file[:4] + b"\2\1\3" + file[7:40] + file[41:]), passphrase=b"geheim").startswith("a.p12: ")
    spoilt = file[:-60] + bytes([file[-60] ^ 1]) + file[-59:]
    assert refusal(("a.p12", spoilt), passphrase=b"geheim") == damaged(
        "a.p12", "a PKCS#12 file", "its content has changed since its checksum (MAC) was made"
    )


# What is refused: keys

PASSPHRASE_CURE = "Enter its passphrase (--passphrase-file FILE), or decrypt it: "
ENCRYPTED = {
    "PKCS#8": encrypted_pem(LEAF.key, b"geheim"),
    "DER": key_der(LEAF.key, secret=b"geheim"),
    "traditional": encrypted_pem(LEAF.key, b"geheim", PrivateFormat.TraditionalOpenSSL),
    "PKCS#12": p12(LEAF, CA, secret=b"geheim"),
}


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_an_encrypted_key_needs_its_passphrase(kind: str):
    data = ENCRYPTED[kind]
    what, command = (
        ("PKCS#12 file", "pkcs12 -in FILE -nodes") if kind == "PKCS#12" else ("private key", "pkey -in FILE")
    )
    for passphrase in (None, b""):
        assert refusal(BUNDLE, ("portal.key", data), passphrase=passphrase) == (
            f"portal.key: The {what} is protected by a passphrase, and none was given.\n"
            f"{PASSPHRASE_CURE}openssl {command} -out plain.pem"
        )
    assert refusal(BUNDLE, ("portal.key", data), passphrase=b"hunter2") == (
        "portal.key: The passphrase does not open it.\n"
        "Enter the passphrase that it was encrypted with; mind capital letters and the keyboard's layout."
    )


def test_certificates_without_a_key_are_refused_with_what_was_given():
    files = (("site.crt", pem(LEAF.certificate) + BUNDLE), ("site.csr", REQUEST.public_bytes(Encoding.PEM)))
    assert refusal(*files, ("again.crt", BUNDLE)) == (
        "There is no private key in what was given "
        "(site.crt: 3 certificates; site.csr: a certificate signing request; again.crt: nothing new).\n"
        'Add it: a block "BEGIN PRIVATE KEY" in the file, or the .key file too.'
    )


def test_a_key_without_a_certificate_is_refused():
    assert refusal(("site.key", key_pem(LEAF.key))) == (
        "There is no certificate in what was given (site.key: 1 private key).\n"
        "Add the certificate that was issued for this key, and those of its issuers."
    )


def test_a_key_of_another_certificate_is_refused_with_what_both_are_known_by():
    of_leaf, of_key = short_digest(LEAF.key.public_key()), short_digest(OTHER.key.public_key())
    assert len(of_leaf) == 23
    assert refusal(pem(LEAF.certificate) + BUNDLE, key_pem(OTHER.key)) == (
        f"Key and certificate do not match: the SHA-256 of the public key begins with {of_leaf} in the certificate of "
        f'"www.example.com", and with {of_key} for the private key.\n'
        "Give the key that the certificate was requested with. Was a new request made later?"
    )


def test_several_keys_that_fit_nothing_are_refused():
    keys = key_pem(OTHER.key) + key_pem(p256_key())
    assert refusal(pem(LEAF.certificate) + BUNDLE, ("keys.pem", keys)) == (
        'Not one of the 2 private keys (keys.pem, block 1, keys.pem, block 2) belongs to "www.example.com".\n'
        "Give the one key that the certificate was requested with."
    )


def test_a_key_beside_the_one_that_fits_is_refused():
    assert refusal(("site.pem", WHOLE), ("old.key", key_pem(OTHER.key))) == (
        'There is a private key that belongs to no certificate (old.key), beside that of "www.example.com" '
        "(site.pem, block 1).\n"
        "Leave out the key in old.key, or upload it with its own certificate."
    )


def test_two_chains_at_once_are_refused():
    assert refusal(WHOLE, bundle_of(OTHER)) == (
        'There are 2 certificates with their private keys: "www.example.com", "shop.example.org".\n' + BY_NAME
    )


def test_two_certificates_of_one_key_for_different_names_are_refused():
    second = issue("b.example.com", issuer=CA, names=("b.example.com",), key=LEAF.key, days=30)
    assert refusal(WHOLE, pem(second.certificate)) == (
        'The private key belongs to 2 certificates for different names: "www.example.com", "b.example.com".\n' + BY_NAME
    )


def test_the_certificate_of_another_service_is_refused():
    assert refusal(WHOLE, pem(OTHER.certificate)) == (
        'The certificate of "shop.example.org" has nothing to do with the chain of "www.example.com".\n'
        "Remove it, or give the certificates that link it."
    )


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (
            rsa_key(1024),
            (
                "The RSA key has 1024 bits, and services and clients refuse less than 2048.\n"
                "Make a new key (ECDSA P-256, or RSA with 2048 bits or more) and request a new certificate."
            ),
        ),
        (
            ec.generate_private_key(ec.SECP521R1()),
            f'Keys of the type "secp521r1" are not supported.\n{NEW_KEY_CURE}',
        ),
        (
            dsa_key(),
            f'Keys of the type "DSA" are not supported.\n{NEW_KEY_CURE}',
        ),
    ],
    ids=["short", "curve", "dsa"],
)
def test_a_key_that_clients_refuse_is_refused(key, message: str):
    for form in (key_pem(key), key_der(key), encrypted_pem(key, b"geheim", PrivateFormat.TraditionalOpenSSL)):
        assert refusal(pem(LEAF.certificate) + BUNDLE, form, passphrase=b"geheim") == message


# What is refused: chains


def test_a_missing_issuer_is_named_with_where_it_can_be_had():
    trust = "the root of a private authority may also be in /etc/chainwright/trust/."
    assert refusal(bundle_of(LEAF), anchors=KNOWN) == (
        'The chain is incomplete: "www.example.com" was issued by "Toy CA", '
        "which is neither among what was given nor among the known roots.\n"
        f'Add the certificate of "Toy CA"; {trust}'
    )
    assert '"Toy CA" was issued by "Toy Root", which is neither' in refusal(bundle_of(LEAF, CA))
    url = x509.UniformResourceIdentifier("http://ca.example.com/toy.crt")
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, url)
    leaf = CA.leaf("www.example.com", extensions=(x509.AuthorityInformationAccess([access]),))
    assert refusal(bundle_of(leaf, ROOT)).endswith(
        f'\nAdd the certificate of "Toy CA" (from http://ca.example.com/toy.crt); {trust}'
    )


def test_a_forged_issuer_is_refused():
    namesake = issue("Toy CA", issuer=ROOT, ca=True, identifiers=False)
    assert refusal(bundle_of(LEAF, namesake, ROOT)) == (
        'The signature on the certificate of "www.example.com" does not verify with the key of "Toy CA".\n'
        'One of the two was altered or belongs to another key of "Toy CA": get both again from there.'
    )


def test_an_issuer_that_may_not_sign_is_refused():
    pupil = ROOT.authority("Pupil CA", cert_sign=False)
    assert refusal(bundle_of(pupil.leaf("www.example.com"), pupil, ROOT)) == (
        'The certificate of "Pupil CA" may not sign what follows from it: its key usage does not include keyCertSign.\n'
        "Ask the certificate authority for the right intermediate certificates."
    )


def test_a_chain_outside_its_time_is_refused():
    assert refusal(WHOLE, now=LEAF.certificate.not_valid_after_utc) == (
        'The certificate of "www.example.com" expired at 2027-01-30T12:00:00Z.\n'
        "Get a new one from the certificate authority."
    )
    assert refusal(WHOLE, now=NOW - 2 * DAY) == (
        'The certificate of "www.example.com" is not valid before 2026-10-31T12:00:00Z; '
        "it is 2026-10-30T12:00:00Z here.\n"
        "Check the clock of the appliance, or upload it from then on."
    )
    old = root("Old Root", days=10)
    leaf = old.leaf("www.example.com", days=90)
    assert refusal(bundle_of(leaf), anchors=[old.certificate], now=NOW + 20 * DAY) == (
        'The certificate of "Old Root" expired at 2026-11-11T12:00:00Z.\nGet a new one from the certificate authority.'
    )
    short = ROOT.authority("Short CA", days=30)
    assert refusal(bundle_of(short.leaf("www.example.com"), short, ROOT), now=NOW + 31 * DAY) == (
        'The certificate of "Short CA" expired at 2026-12-01T12:00:00Z.\nGet a new one from the certificate authority.'
    )


def test_the_certificate_of_an_authority_is_no_service_s():
    message = (
        'The key belongs to "Toy CA", which is a certificate authority and not a service.\n'
        "Give the key and the certificate of the service; an authority of your own is uploaded as the root."
    )
    assert refusal(bundle_of(CA, ROOT)) == message
    assert refusal(bundle_of(CA, ROOT), pem(LEAF.certificate)) == message
    assert refusal(bundle_of(ROOT)).startswith('The key belongs to "Toy Root", which is a certificate authority')


def test_only_authorities_and_a_key_of_something_else_are_refused():
    assert refusal(BUNDLE, key_pem(LEAF.key)) == (
        'Only certificates of authorities were given ("Toy CA", "Toy Root"), '
        "so the certificate of the service itself is missing.\n"
        "Add the certificate that was issued for the names of the service."
    )


def test_a_certificate_for_other_purposes_is_refused():
    private = x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.4")
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, private])
    message = (
        'The certificate of "{}" is not for servers; its extended key usage is clientAuth, 1.3.6.1.4.1.311.10.3.4.\n'
        "Ask the certificate authority for one with serverAuth (TLS web server authentication)."
    )
    leaf = CA.leaf("www.example.com", extensions=(usage,))
    assert refusal(bundle_of(leaf, CA, ROOT)) == message.format("www.example.com")
    mail = ROOT.authority("Mail CA", extensions=(usage,))
    assert refusal(bundle_of(mail.leaf("www.example.com"), mail, ROOT)) == message.format("Mail CA").replace(
        "Ask the certificate authority for one with serverAuth (TLS web server authentication).",
        "Use an authority whose extended key usage, if there is one, names serverAuth (TLS web server authentication).",
    )


def test_a_weak_signature_is_refused():
    sha256, sha1 = (bytes.fromhex(oid) for oid in ("2a864886f70d01010b", "2a864886f70d010105"))  # RFC 8017, with RSA
    authority = root(key=rsa_key())
    leaf = authority.leaf("www.example.com")
    old = der(leaf.certificate).replace(sha256, sha1)
    assert refusal(key_pem(leaf.key), old, pem(authority.certificate)) == (
        'The certificate of "www.example.com" is signed with SHA1, which services and clients refuse.\n'
        "Ask the certificate authority for one that is signed with SHA-256 or better."
    )


def test_a_weak_key_of_an_issuer_is_refused():
    weak = ROOT.authority("Weak CA", key=rsa_key(1024))
    assert refusal(bundle_of(weak.leaf("www.example.com"), weak, ROOT)).startswith(
        'The RSA key of "Weak CA" has 1024 bits, and services and clients refuse less than 2048.'
    )


def test_nothing_of_a_key_or_a_passphrase_is_ever_shown():
    piece = InputFile("site\x1b[2J.key", key_pem(LEAF.key))
    assert "PRIVATE" not in repr(piece)
    assert piece.place == "site?[2J.key"
    assert "geheim" not in refusal(BUNDLE, ENCRYPTED["PKCS#8"], passphrase=b"geheim!")
