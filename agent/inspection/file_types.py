"""What a file looks like that holds neither a certificate nor a private key, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.inspection.asn1 import Kind

PEM_WANTED = 'Choose the file whose text begins with "-----BEGIN CERTIFICATE-----", and that of the private key.'
PLAIN_TEXT = re.compile(rb"[\t\n\r\f\x1b\x20-\x7e\x80-\xff]*")
BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/=\s]+")
SHORTEST_BASE64 = 100


@dataclass(frozen=True, slots=True)
class Look:
    """What it is, for people, and the cure."""

    what: str
    cure: str = PEM_WANTED


OPENSSH_KEY = Look(
    "an OpenSSH private key",
    "TLS needs the key in another form: ssh-keygen -p -m PKCS8 -f FILE rewrites it; mostly another file is meant.",
)
KEYSTORE = Look(
    "a Java keystore",
    "Convert it: keytool -importkeystore -srckeystore FILE -destkeystore chain.p12 -deststoretype PKCS12",
)
EMPTY = Look("an empty file", "Look whether it was downloaded or copied whole, and choose it again.")
PARAMETERS = Look("parameters of a key exchange")
TEXT = Look("text")
BINARY = Look("a binary file of some other kind", "Choose the file of the certificate, and that of the private key.")

STARTS: tuple[tuple[bytes, Look], ...] = (
    (b"\xfe\xed\xfe\xed", KEYSTORE),
    (b"\xce\xce\xce\xce", KEYSTORE),
    (b"PK\x03\x04", Look("a ZIP archive", "Unpack it and choose the files in it.")),
    (b"\x1f\x8b", Look("a compressed archive", "Unpack it and choose the files in it.")),
    (b"%PDF", Look("a PDF document")),
    (b"putty-user-key-file", Look("a PuTTY private key", OPENSSH_KEY.cure)),
    (b"<!doctype html", Look("an HTML page", "The link led to a page, not to the file: download the file itself.")),
    (b"<html", Look("an HTML page", "The link led to a page, not to the file: download the file itself.")),
    (b"<?xml", Look("an XML document")),
    (b"{", Look("a JSON document")),
    (b"ssh-", Look("an OpenSSH public key")),
    (b"ecdsa-sha2-", Look("an OpenSSH public key")),
    (b"---- begin ssh2 public key", Look("an OpenSSH public key")),
)
"""Beginnings in lower case."""

KINDS = {
    Kind.REQUEST: Look(
        Kind.REQUEST.value,
        "Send it to a certificate authority, and upload the certificate that comes back with the key.",
    ),
    Kind.REVOCATIONS: Look(Kind.REVOCATIONS.value),
    Kind.PUBLIC_KEY: Look(Kind.PUBLIC_KEY.value, "Choose the private key that belongs to it, and the certificate."),
}
"""What is known, and of no use by itself."""


def look_at(data: bytes) -> Look:
    """Return what `data` looks like."""
    text = data.lstrip(b" \t\r\n\f\0")
    if not text:
        return EMPTY
    start = text[:40].lower()
    for beginning, look in STARTS:
        if start.startswith(beginning) or text.startswith(beginning):
            return look
    if not PLAIN_TEXT.fullmatch(text):
        return BINARY
    if len(text) >= SHORTEST_BASE64 and BASE64_TEXT.fullmatch(text):
        return Look("base64 text without its BEGIN and END lines")
    return TEXT
