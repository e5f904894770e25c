"""Uploads for the inspection."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509 import load_der_x509_certificate

from agent.errors import AgentError
from agent.inspection import Diagnosis, InputFile, diagnose, diagnose_root
from agent.pki.certificate import quietly
from support.cas.certificates import NOW, Party, key_pem, pem, root

ROOT = root()
CA = ROOT.authority("Toy CA", days=400)
LEAF = CA.leaf("www.example.com", "*.example.com")
BUNDLE = pem(CA.certificate, ROOT.certificate)
NEW_KEY_CURE = (
    "Make a new key of ECDSA P-256 or P-384, RSA with 2048 bits or more, or Ed25519, and request a new certificate: "
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key"
)
WHOLE = key_pem(LEAF.key) + pem(LEAF.certificate) + BUNDLE

Given = bytes | tuple[str, bytes]


def pieces(*given: Given) -> list[InputFile]:
    """Return files; those without a name are called a, b, c ..."""
    named = [each if isinstance(each, tuple) else (chr(97 + at), each) for at, each in enumerate(given)]
    return [InputFile(name, data) for name, data in named]


def look(*given: Given, **options) -> Diagnosis:
    return diagnose(pieces(*given), **{"now": NOW, **options})


def findings(*given: Given, **options) -> list[str]:
    return [f"{finding.level}: {finding.sentence}" for finding in look(*given, **options).remarks]


def refusal(*given: Given, **options) -> str:
    """Return the whole message with which it is refused."""
    with pytest.raises(AgentError) as caught:
        look(*given, **options)
    return str(caught.value)


def root_refusal(*given: Given, **options) -> str:
    with pytest.raises(AgentError) as caught:
        diagnose_root(pieces(*given), **{"now": NOW, **options})
    return str(caught.value)


def bundle_of(party: Party, *issuers: Party) -> bytes:
    """Return key, certificate and those above it."""
    return key_pem(party.key) + pem(party.certificate, *(each.certificate for each in issuers))


def der(certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def key_der(key, form: PrivateFormat = PrivateFormat.PKCS8, secret: bytes = b"") -> bytes:
    return key.private_bytes(Encoding.DER, form, BestAvailableEncryption(secret) if secret else NoEncryption())


def encrypted_pem(key, secret: bytes, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(secret))


def p12(party: Party, *issuers: Party, secret: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(secret) if secret else NoEncryption()
    others = [each.certificate for each in issuers]
    return pkcs12.serialize_key_and_certificates(b"portal", party.key, party.certificate, others, encryption)


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return one DER value."""
    content = b"".join(parts)
    size = len(content)
    longer = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = bytes([size]) if size < 0x80 else bytes([0x80 | len(longer)]) + longer
    return bytes([tag]) + length + content


def integer(number: int) -> bytes:
    return tlv(0x02, number.to_bytes((number + (number < 0)).bit_length() // 8 + 1, "big", signed=True))


def oid(hexadecimal: str) -> bytes:
    return tlv(0x06, bytes.fromhex(hexadecimal))


def pbes2(derivation: bytes) -> bytes:
    """Return an algorithm of RFC 8018 appendix A.4: a key derivation, and AES-256 with an initialization vector of zeros."""
    cipher = tlv(0x30, oid("60864801650304012a"), tlv(0x04, bytes(16)))
    return tlv(0x30, oid("2a864886f70d01050d"), tlv(0x30, derivation, cipher))


SALT = b"saltsalt"


def pbkdf2(rounds: int) -> bytes:
    parameters = tlv(0x30, tlv(0x04, SALT), integer(rounds), tlv(0x30, oid("2a864886f70d0209"), tlv(0x05)))
    return tlv(0x30, oid("2a864886f70d01050c"), parameters)


def scrypt(cost: int, blocks: int, parallel: int) -> bytes:
    """Return a key derivation of RFC 7914 section 7, which takes 128 * cost * blocks bytes."""
    parameters = tlv(0x30, tlv(0x04, SALT), integer(cost), integer(blocks), integer(parallel))
    return tlv(0x30, oid("2b06010401da47040b"), parameters)


def encrypted_key(derivation: bytes) -> bytes:
    """Return what says that it is an encrypted key (RFC 5958 section 3)."""
    return tlv(0x30, pbes2(derivation), tlv(0x04, bytes(64)))


DATA, ENCRYPTED_DATA = oid("2a864886f70d010701"), oid("2a864886f70d010706")


def pfx(*contents: bytes) -> bytes:
    """Return a PKCS#12 file (RFC 7292 section 4) of those contents, without a MAC."""
    return tlv(0x30, integer(3), tlv(0x30, DATA, tlv(0xA0, tlv(0x04, tlv(0x30, *contents)))))


def hidden_bomb(rounds: int, secret: bytes) -> bytes:
    """Return a PKCS#12 file whose costly key is inside of what is encrypted cheaply, where nothing shows its cost before."""
    return pfx(hidden_safe(shrouded(encrypted_key(pbkdf2(rounds))), secret=secret))


def hidden_safe(*bags: bytes, secret: bytes) -> bytes:
    """Return bags that are encrypted as a whole."""
    padder = PKCS7(128).padder()
    plain = padder.update(tlv(0x30, *bags)) + padder.finalize()
    encryptor = Cipher(AES(hashlib.pbkdf2_hmac("sha256", secret, SALT, 1000, 32)), CBC(bytes(16))).encryptor()
    return encrypted_safe(pbes2(pbkdf2(1000)), encryptor.update(plain) + encryptor.finalize())


def encrypted_safe(algorithm: bytes, content: bytes) -> bytes:
    """Return what a PKCS#12 file has encrypted as a whole (RFC 5652 section 8)."""
    inner = tlv(0x30, DATA, algorithm, tlv(0x80, content))
    return tlv(0x30, ENCRYPTED_DATA, tlv(0xA0, tlv(0x30, integer(0), inner)))


def several(parties: Sequence[Party], *issuers: Party, secret: bytes = b"", secrets: Sequence[bytes] = ()) -> bytes:
    """Return a PKCS#12 file of several keys, as a keystore of Java is, without a MAC. `secrets`: one for each key."""
    given = secrets or [secret] * len(parties)
    bags = [key_bag(party, each) for party, each in zip(parties, given, strict=True)]
    every = [each.certificate for each in (*parties, *issuers)]
    return pfx(plain_safe(*bags), plain_safe(*(certificate_bag(each) for each in every)))


def plain_safe(*bags: bytes) -> bytes:
    """Return what a PKCS#12 file has not encrypted as a whole."""
    return tlv(0x30, DATA, tlv(0xA0, tlv(0x04, tlv(0x30, *bags))))


def key_bag(party: Party, secret: bytes = b"") -> bytes:
    key = key_der(party.key, secret=secret)
    return shrouded(key) if secret else tlv(0x30, oid("2a864886f70d010c0a0101"), tlv(0xA0, key))


def nested(*bags: bytes) -> bytes:
    """Return the bag of a safe in a safe (RFC 7292 section 4.2.6)."""
    return tlv(0x30, oid("2a864886f70d010c0a0106"), tlv(0xA0, tlv(0x30, *bags)))


def shrouded(key: bytes) -> bytes:
    """Return the bag of an encrypted key (RFC 7292 section 4.2.2)."""
    return tlv(0x30, oid("2a864886f70d010c0a0102"), tlv(0xA0, key))


def certificate_bag(certificate) -> bytes:
    held = tlv(0x30, oid("2a864886f70d01091601"), tlv(0xA0, tlv(0x04, der(certificate))))
    return tlv(0x30, oid("2a864886f70d010c0a0103"), tlv(0xA0, held))


ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")  # RFC 5758 section 3.2


def rewritten(party: Party, issuer: Party, old: bytes, new: bytes) -> Party:
    """Return a certificate with `new` for `old`, as cryptography would not write it, signed again."""
    before = party.certificate.tbs_certificate_bytes
    assert before.count(old) == 1
    after = tlv(0x30, before[4:].replace(old, new))
    signature = tlv(0x03, b"\0" + issuer.key.sign(after, ec.ECDSA(SHA256())))
    with quietly():
        return Party(party.key, load_der_x509_certificate(tlv(0x30, after, ECDSA_WITH_SHA256, signature)))


def serial_of(party: Party) -> bytes:
    return integer(party.certificate.serial_number)
