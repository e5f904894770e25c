"""Keys and certificates found in the input files."""

from __future__ import annotations

import binascii
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.errors.upload import (
    BrokenBlock,
    Damaged,
    NotACertificate,
    NothingGiven,
    TooLarge,
    TooManyCertificates,
    TooManyKeys,
)
from agent.inspection.decoding import Opened, open_der
from agent.inspection.encoding_kind import EncodingKind, kind_of
from agent.inspection.file_types import BINARY, KINDS, PARAMETERS, UNUSABLE_KEYS, FileType, file_type_of
from agent.inspection.input_file import InputFile
from agent.inspection.key_opening import open_traditional_key
from agent.inspection.pem_blocks import Block, blocks_in, is_important, plain
from agent.pki.asn1 import Asn1Error, value_at, why_cut

if TYPE_CHECKING:
    from cryptography import x509

    from agent.pki.private_key import PrivateKey

LARGEST = 1024 * 1024
"""Bytes of all files together."""
MOST_CERTIFICATES = 100
DER_FILE = "a file of certificates or keys in DER form"
MOST_KEYS = 10
"""Checking an RSA key takes up to seconds."""

LABELS = {
    "CERTIFICATE": EncodingKind.CERTIFICATE,
    "X509 CERTIFICATE": EncodingKind.CERTIFICATE,
    "TRUSTED CERTIFICATE": EncodingKind.CERTIFICATE,
    "PKCS7": EncodingKind.PKCS7,
    "PKCS #7 SIGNED DATA": EncodingKind.PKCS7,
    "CMS": EncodingKind.PKCS7,
    "PKCS12": EncodingKind.PKCS12,
    "PRIVATE KEY": EncodingKind.KEY,
    "ENCRYPTED PRIVATE KEY": EncodingKind.ENCRYPTED_KEY,
    "CERTIFICATE REQUEST": EncodingKind.REQUEST,
    "NEW CERTIFICATE REQUEST": EncodingKind.REQUEST,
    "X509 CRL": EncodingKind.REVOCATIONS,
    "PUBLIC KEY": EncodingKind.PUBLIC_KEY,
    "RSA PUBLIC KEY": EncodingKind.PUBLIC_KEY,
}
"""RFC 7468, and what OpenSSL writes and reads besides. A block with another label is what its content is."""
BASE64_START = re.compile(rb"M[A-I]")
"""Base64 of the beginning of a sequence (X.690 sections 8.1 and 8.9)."""
KEY_LABEL = "PRIVATE KEY"
"""End of the labels of keys: RSA PRIVATE KEY, ANY PRIVATE KEY ..."""
OF_NO_USE = ("PARAMETERS", "ATTRIBUTE CERTIFICATE")
"""Ends of labels whose content is like that of a key or a certificate."""


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A private key, and the file and block that it is from."""

    key: PrivateKey = field(repr=False)
    place: str


@dataclass(slots=True)
class Material:
    """Everything that was found, each once, in the order in which it was given."""

    keys: list[FoundKey] = field(default_factory=list)
    certificates: list[x509.Certificate] = field(default_factory=list)
    duplicates: int = 0
    opened: int = 0
    """Keys, counting duplicates."""
    useless: list[tuple[str, FileType]] = field(default_factory=list)
    """Place and type of what is known, and no part of a chain."""
    given: list[str] = field(default_factory=list)
    """Content of each file, for messages."""

    def add(self, opened: Opened, place: str) -> None:
        """Add what was opened; count what is there already. Raises `TooManyKeys` and `TooManyCertificates`."""
        self.opened += len(opened.keys)
        if self.opened > MOST_KEYS:
            raise TooManyKeys(MOST_KEYS)
        for number, key in enumerate(opened.keys, start=1):
            known = any(found.key.public_key() == key.public_key() for found in self.keys)
            self.duplicates += known
            self.keys += [] if known else [FoundKey(key, place if len(opened.keys) == 1 else f"{place}, key {number}")]
        for certificate in opened.certificates:
            known = certificate in self.certificates
            self.duplicates += known
            self.certificates += [] if known else [certificate]
            if len(self.certificates) + self.duplicates > MOST_CERTIFICATES:
                raise TooManyCertificates(MOST_CERTIFICATES)


def refuse_too_large(files: Iterable[InputFile]) -> None:
    """Raise `TooLarge` for more bytes than any chain has."""
    size = sum(len(file.data) for file in files)
    if size > LARGEST:
        raise TooLarge(size, LARGEST)


def read_material(
    files: Iterable[InputFile], passphrase: bytes | None, opening: Callable[[str], None] | None = None
) -> Material:
    """Read every file. `opening` is called with the place of each key and bundle before it is opened.

    Raises an `UploadError`, or a `ChainError` about a key.
    """
    files = list(files)
    refuse_too_large(files)
    if not any(file.data.strip() for file in files):
        raise NothingGiven
    material = Material()
    for file in files:
        _FileReader(file, passphrase, material, opening or _unheard).read()
    if material.useless and not material.keys and not material.certificates:
        place, file_type = material.useless[0]
        raise NotACertificate(place, file_type.what, file_type.fix)
    return material


def _unheard(_place: str) -> None:
    """Drop what nobody wants to hear."""


class _FileReader:
    """Reader of one file into the material."""

    def __init__(
        self, file: InputFile, passphrase: bytes | None, material: Material, opening: Callable[[str], None]
    ) -> None:
        self._opening = opening
        self._file = file
        self._passphrase = passphrase
        self._material = material

    def read(self) -> None:
        before = self._counts()
        data = unwrapped(self._file.data)
        if kind_of(data) is not None:
            self._read_binary(data)
        else:
            self._read_text(plain(self._file.data))
        keys, certificates, _ = (now - then for now, then in zip(self._counts(), before, strict=True))
        words = [_counted(keys, "private key"), _counted(certificates, "certificate")]
        words += [file_type.what for _, file_type in self._material.useless[before[2] :]]
        self._material.given.append(f"{self._file.place}: {', '.join(filter(None, words)) or 'nothing new'}")

    def _counts(self) -> tuple[int, int, int]:
        return len(self._material.keys), len(self._material.certificates), len(self._material.useless)

    def _read_binary(self, data: bytes) -> None:
        """Read consecutive structures, with white space at the end."""
        read = 0
        while data.strip(b"\0 \t\r\n"):
            kind = kind_of(data)
            if kind is None:
                behind = f"what follows after {read} bytes is neither certificate nor key"
                raise Damaged(self._file.place, DER_FILE, why_cut(data) if data[:1] == b"\x30" else behind)
            size = value_at(data, 0).size
            self._open(data[:size], kind, self._file.place)
            data, read = data[size:], read + size

    def _read_text(self, text: str) -> None:
        found = list(blocks_in(text))
        if not found:
            self._refuse(text)
        for number, block in enumerate(found, start=1):
            place = f"{self._file.place}, block {number}" if len(found) > 1 else self._file.place
            self._read_block(block, number, place)

    def _refuse(self, text: str) -> None:
        """Raise for a file without a block."""
        long_sequence = self._file.data[:1] == b"\x30" and self._file.data[1:2] >= b"\x80"
        if long_sequence:
            reason = why_cut(self._file.data) or "its structure is that of neither"
            raise Damaged(self._file.place, DER_FILE, reason)
        file_type = file_type_of(self._file.data)
        if file_type is BINARY:
            file_type = file_type_of(text.encode())  # UTF-16 is text, too
        raise NotACertificate(self._file.place, file_type.what, file_type.fix)

    def _read_block(self, block: Block, number: int, place: str) -> None:
        if unusable := UNUSABLE_KEYS.get(block.label):
            raise NotACertificate(place, unusable.what, unusable.fix)
        kind = _kind_of(block)
        if block.broken and (kind or is_important(block.label)):
            raise BrokenBlock(self._file.place, number, block.label, block.broken)
        if kind is None:
            parameters = block.label.endswith("PARAMETERS")  # of curves and Diffie-Hellman, often beside keys
            self._material.useless.append((place, PARAMETERS if parameters else FileType(f'a block "{block.label}"')))
        elif block.headers and kind is EncodingKind.KEY:
            self._opening(place)
            key = open_traditional_key(block, place, self._passphrase)
            self._material.add(Opened(keys=(key,)), place)
        else:
            self._open(_first_value(block.der), kind, place)

    def _open(self, der: bytes, kind: EncodingKind, place: str) -> None:
        if kind in KINDS:
            self._material.useless.append((place, KINDS[kind]))
        else:
            self._opening(place)
            self._material.add(open_der(der, kind, place, self._passphrase), place)


def _kind_of(block: Block) -> EncodingKind | None:
    """Return what a block holds: what its content is, else what its label says. Encrypted content is nothing known."""
    if block.label.endswith(OF_NO_USE):
        return None
    labelled = EncodingKind.KEY if block.label.endswith(KEY_LABEL) else None
    return kind_of(block.der) or LABELS.get(block.label, labelled)


def unwrapped(data: bytes) -> bytes:
    """Return what is in Base64 without BEGIN and END lines, where that is something known; else the data as it is."""
    text = b"".join(data.removeprefix(BOM_UTF8).split())
    try:
        inner = binascii.a2b_base64(text, strict_mode=True) if BASE64_START.match(text) else b""
    except binascii.Error:
        return data
    return inner if kind_of(inner) else data


def _first_value(der: bytes) -> bytes:
    """Return the first structure: OpenSSL's trusted certificates have more data behind it."""
    try:
        return der[: value_at(der, 0).size]
    except Asn1Error:
        return der


def _counted(number: int, what: str) -> str:
    return "" if not number else f"{number} {what}" if number == 1 else f"{number} {what}s"
