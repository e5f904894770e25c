"""Types of files that hold neither a certificate nor a private key, and what to do about each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.inspection.encoding_kind import EncodingKind

PEM_WANTED = 'Choose the file whose text begins with "-----BEGIN CERTIFICATE-----", and that of the private key.'
PLAIN_TEXT = re.compile(rb"[\t\n\r\f\x1b\x20-\x7e\x80-\xff]*")
BASE64_TEXT = re.compile(rb"[A-Za-z0-9+/=\s]+")
SHORTEST_BASE64 = 100


@dataclass(frozen=True, slots=True)
class FileType:
    """Type of a file, for people, and the fix."""

    what: str
    fix: str = PEM_WANTED


OPENSSH_KEY = FileType(
    "an OpenSSH private key",
    "TLS needs the key in another form: ssh-keygen -p -m PKCS8 -f FILE rewrites it; usually another file is meant.",
)
TPM_KEY = FileType(
    "a private key of a TPM",
    "It can't leave its TPM: make a key outside of it, and request a certificate for that one.",
)
UNUSABLE_KEYS = {"OPENSSH PRIVATE KEY": OPENSSH_KEY, "TSS2 PRIVATE KEY": TPM_KEY}
"""Private keys that no service reads, by PEM label."""
KEYSTORE = FileType(
    "a Java keystore",
    "Convert it: keytool -importkeystore -srckeystore FILE -destkeystore chain.p12 -deststoretype PKCS12",
)
EMPTY = FileType("an empty file", "Check whether it was downloaded or copied whole, and choose it again.")
PARAMETERS = FileType("parameters of a key exchange")
TEXT = FileType("text")
BINARY = FileType(
    "a binary file of some other kind", "Choose the file of the certificate, and that of the private key."
)

STARTS: tuple[tuple[bytes, FileType], ...] = (
    (b"\xfe\xed\xfe\xed", KEYSTORE),
    (b"\xce\xce\xce\xce", KEYSTORE),
    (b"PK\x03\x04", FileType("a ZIP archive", "Unpack it and choose the files in it.")),
    (b"\x1f\x8b", FileType("a compressed archive", "Unpack it and choose the files in it.")),
    (b"%PDF", FileType("a PDF document")),
    (b"putty-user-key-file", FileType("a PuTTY private key", OPENSSH_KEY.fix)),
    (b"<!doctype html", FileType("an HTML page", "The link led to a page, not to the file: download the file itself.")),
    (b"<html", FileType("an HTML page", "The link led to a page, not to the file: download the file itself.")),
    (b"<?xml", FileType("an XML document")),
    (b"{", FileType("a JSON document")),
    (b"ssh-", FileType("an OpenSSH public key")),
    (b"ecdsa-sha2-", FileType("an OpenSSH public key")),
    (b"---- begin ssh2 public key", FileType("an OpenSSH public key")),
)
"""Beginnings in lower case."""

KINDS = {
    EncodingKind.REQUEST: FileType(
        EncodingKind.REQUEST.value,
        "Send it to a certificate authority, and upload the certificate that comes back with the key.",
    ),
    EncodingKind.REVOCATIONS: FileType(EncodingKind.REVOCATIONS.value),
    EncodingKind.PUBLIC_KEY: FileType(
        EncodingKind.PUBLIC_KEY.value, "Choose the private key that belongs to it, and the certificate."
    ),
}
"""Structures that are known, and of no use for a chain."""


def file_type_of(data: bytes) -> FileType:
    """Return the type of `data`, by its beginning."""
    text = data.lstrip(b" \t\r\n\f\0")
    if not text:
        return EMPTY
    start = text[:40].lower()
    for beginning, file_type in STARTS:
        if start.startswith(beginning) or text.startswith(beginning):
            return file_type
    if not PLAIN_TEXT.fullmatch(text):
        return BINARY
    if len(text) >= SHORTEST_BASE64 and BASE64_TEXT.fullmatch(text):
        return FileType("base64 text without its BEGIN and END lines")
    return TEXT
