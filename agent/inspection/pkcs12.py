"""PKCS#12 files (RFC 7292) taken apart: parsers open only the first of several keys, and don't say what they can't open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.inspection.asn1 import (
    CONTEXT_0,
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


def without_mac(der: bytes) -> bytes:
    """Return the same file without its MAC. Raises `Asn1Error`."""
    return _file([each.encoded() for each in _contents(der)])


def is_protected(der: bytes) -> bool:
    """Whether something in it depends on a passphrase: what is encrypted, or the MAC. Raises `Asn1Error`."""
    return bool(encryptions(der)) or len(list(value_at(der, 0).children())) > 2


def each_key(der: bytes) -> list[bytes]:
    """Return a file without a MAC for each key that is visible in one, encrypted or not. Raises `Asn1Error`.

    Programs that write several keys leave them side by side, encrypt each, and encrypt the certificates as a whole.
    """
    bags = [bag for kind, content in map(_parts, _contents(der)) if kind == DATA for bag in _bags(content)]
    return [_file([_data([bag.encoded()])]) for bag in bags if _parts(bag)[0] in {KEY_BAG, SHROUDED_KEY_BAG}]


def encryptions(der: bytes) -> list[bytes]:
    """Return the algorithms of encryption that are visible, as `AlgorithmIdentifier` (RFC 5280 section 4.1.1.2).

    Raises `Asn1Error`.
    """
    found = []
    for kind, content in map(_parts, _contents(der)):
        if kind == ENCRYPTED_DATA:  # EncryptedData: version, then type, algorithm, content (RFC 5652 section 8)
            found.append(_child(_child(content, 1), 1))
        elif kind == DATA:
            found += [_child(_parts(bag)[1], 0) for bag in _bags(content) if _parts(bag)[0] == SHROUDED_KEY_BAG]
    return [each.encoded() for each in found]


def _contents(der: bytes) -> Iterator[Value]:
    """Yield each `ContentInfo` of the authenticated safe."""
    kind, content = _parts(_child(value_at(der, 0), 1))
    if kind != DATA:
        raise Asn1Error
    yield from value_at(_octets(content), 0).children()


def _bags(content: Value) -> Iterator[Value]:
    return value_at(_octets(content), 0).children()


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
    if value.tag == JOINED_OCTETS:
        return b"".join(part.content for part in value.children())
    if value.tag != OCTET_STRING:
        raise Asn1Error
    return value.content


def _file(contents: Sequence[bytes]) -> bytes:
    return encoded(SEQUENCE, encoded(INTEGER, b"\3"), _data(contents))


def _data(parts: Sequence[bytes]) -> bytes:
    """Return a `ContentInfo` of a sequence that is not encrypted as a whole."""
    octets = encoded(OCTET_STRING, encoded(SEQUENCE, *parts))
    return encoded(SEQUENCE, encoded(OID, DATA), encoded(CONTEXT_0, octets))
