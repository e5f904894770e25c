"""PKCS#12 files (RFC 7292) taken apart: parsers open only the first of several keys, and don't say what they can't open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.inspection.pkcs12_encryption import decrypted, fits_mac
from agent.pki.asn1 import (
    CONTEXT_0,
    DEEPEST,
    INTEGER,
    JOINED_OCTETS,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Asn1Error,
    Value,
    encoded,
    value_at,
)

DATA = bytes.fromhex("2a864886f70d010701")
ENCRYPTED_DATA = bytes.fromhex("2a864886f70d010706")
KEY_BAG = bytes.fromhex("2a864886f70d010c0a0101")
SHROUDED_KEY_BAG = bytes.fromhex("2a864886f70d010c0a0102")
SAFE_BAG = bytes.fromhex("2a864886f70d010c0a0106")
PRIMITIVE_0 = 0x80


def without_mac(der: bytes) -> bytes:
    """Return the same file without its MAC. Raises `Asn1Error`."""
    return _file([each.encoded() for each in _contents(der)])


def is_protected(der: bytes) -> bool:
    """Whether something in it depends on a passphrase: what is encrypted, or the MAC. Raises `Asn1Error`."""
    return bool(encryptions(der)) or len(list(value_at(der, 0).children())) > 2


def each_key(der: bytes, secret: bytes | None) -> list[bytes]:
    """Return a file without a MAC for each key in one, encrypted or not, also in what `secret` decrypts. Raises `Asn1Error`.

    Programs that write several keys leave them side by side, and encrypt each; some encrypt all of them as a whole.
    """
    bags = [bag for safe in _safes(der, secret) for bag in _flat(safe)]
    return [_file([_data([bag.encoded()])]) for bag in bags if _parts(bag)[0] in {KEY_BAG, SHROUDED_KEY_BAG}]


def is_opened_by(der: bytes, secret: bytes | None) -> bool:
    """Whether `secret` is the passphrase of the file, by its MAC or by what it decrypts. Raises `Asn1Error`."""
    parts = list(value_at(der, 0).children())
    if len(parts) > 2 and fits_mac(parts[2], _octets(_parts(parts[1])[1]), secret):
        return True
    encrypted = [content for kind, content in map(_parts, _contents(der)) if kind == ENCRYPTED_DATA]
    return any(_decrypted(content, secret) is not None for content in encrypted)


def _safes(der: bytes, secret: bytes | None) -> Iterator[Value]:
    """Yield each sequence of bags; of encrypted ones those that `secret` decrypts."""
    for kind, content in map(_parts, _contents(der)):
        safe = _decrypted(content, secret) if kind == ENCRYPTED_DATA else _safe(content) if kind == DATA else None
        if safe is not None:
            yield safe


def _decrypted(content: Value, secret: bytes | None) -> Value | None:
    """Decrypt `EncryptedData`: version, then type, algorithm, content (RFC 5652 section 8)."""
    inner = _child(content, 1)
    return decrypted(_child(inner, 1), _octets(_child(inner, 2)), secret)


def _flat(safe: Value, depth: int = 0) -> Iterator[Value]:
    """Yield the bags of a safe, and of those in it (RFC 7292 section 4.2.6)."""
    for bag in safe.children():
        kind, content = _parts(bag)
        if kind == SAFE_BAG and depth < DEEPEST:
            yield from _flat(content, depth + 1)
        else:
            yield bag


def encryptions(der: bytes) -> list[bytes]:
    """Return the algorithms of encryption that are visible, as `AlgorithmIdentifier` (RFC 5280 section 4.1.1.2).

    Raises `Asn1Error`.
    """
    found = []
    for kind, content in map(_parts, _contents(der)):
        if kind == ENCRYPTED_DATA:  # EncryptedData: version, then type, algorithm, content (RFC 5652 section 8)
            found.append(_child(_child(content, 1), 1))
        elif kind == DATA:
            found += [_child(_parts(bag)[1], 0) for bag in _flat(_safe(content)) if _parts(bag)[0] == SHROUDED_KEY_BAG]
    return [each.encoded() for each in found]


def _contents(der: bytes) -> Iterator[Value]:
    """Yield each `ContentInfo` of the authenticated safe."""
    kind, content = _parts(_child(value_at(der, 0), 1))
    if kind != DATA:
        raise Asn1Error
    yield from value_at(_octets(content), 0).children()


def _safe(content: Value) -> Value:
    return value_at(_octets(content), 0)


def _parts(value: Value) -> tuple[bytes, Value]:
    """Return the object identifier with which a structure begins, and what is in the explicit tag behind it."""
    kind, content = _child(value, 0), _child(value, 1)
    if kind.tag != OID or content.tag != CONTEXT_0:
        raise Asn1Error
    return kind.content, _child(content, 0)


def _child(value: Value, number: int) -> Value:
    for at, child in enumerate(value.children()):
        if at == number:
            return child
    raise Asn1Error


def _octets(value: Value) -> bytes:
    """Return the octets of a string, also of one that is tagged as the content of what is encrypted."""
    if value.tag in {JOINED_OCTETS, CONTEXT_0}:
        return b"".join(part.content for part in value.children())
    if value.tag not in {OCTET_STRING, PRIMITIVE_0}:
        raise Asn1Error
    return value.content


def _file(contents: Sequence[bytes]) -> bytes:
    return encoded(SEQUENCE, encoded(INTEGER, b"\3"), _data(contents))


def _data(parts: Sequence[bytes]) -> bytes:
    """Return a `ContentInfo` of a sequence that is not encrypted as a whole."""
    octets = encoded(OCTET_STRING, encoded(SEQUENCE, *parts))
    return encoded(SEQUENCE, encoded(OID, DATA), encoded(CONTEXT_0, octets))
