"""ASN.1 encodings (X.690), enough to tell what a file is before a parser opens it, and to put one together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x05, 0x06, 0x30, 0x31
CONTEXT_0 = 0xA0
CONSTRUCTED = 0x20
JOINED_OCTETS = OCTET_STRING | CONSTRUCTED
"""An octet string in pieces: BER only, some PKCS#12 programs write it."""
MOST_LENGTH_OCTETS = 4
"""Octets of a length: 4 GB are more than anyone uploads."""
DEEPEST = 16
"""Levels that are read; PKCS#12 has about ten."""


class Asn1Error(ValueError):
    """Error of data that is not an ASN.1 encoding."""


@dataclass(slots=True)
class Value:
    """One encoded value; not frozen, as there may be half a million of them."""

    tag: int
    content: bytes
    size: int
    """Bytes, with tag and length."""
    parts: tuple[Value, ...] | None = None
    """Values in it, where they had to be read to find its end."""

    def children(self) -> Iterator[Value]:
        """Yield the values in it. Raises `Asn1Error`."""
        return values(self.content) if self.parts is None else iter(self.parts)

    def encoded(self) -> bytes:
        """Return it as DER has it, on the outside."""
        return encoded(self.tag, self.content)


def encoded(tag: int, *parts: bytes) -> bytes:
    """Return a value of those parts."""
    content = b"".join(parts)
    size = len(content)
    longer = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, *([size] if size < 0x80 else [0x80 | len(longer), *longer])]) + content


def dotted(content: bytes) -> str:
    """Return the content of an object identifier in its dotted form (X.690 section 8.19)."""
    numbers, number = [], 0
    for octet in content:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]])) if numbers else ""


def why_cut(data: bytes) -> str:
    """Return why `data` is no whole value, as a clause; empty where it is one."""
    if len(data) < 2:
        return "it is empty"
    longer = data[1] & 0x7F if data[1] > 0x80 else 0
    if longer > MOST_LENGTH_OCTETS:
        return "its second byte can't be that of a length"
    size = 2 + (int.from_bytes(data[2 : 2 + longer], "big") + longer if longer else data[1])
    return f"it ends too early, after {len(data)} of {size} bytes" if size > len(data) and data[1] != 0x80 else ""


def value_at(data: bytes, at: int, depth: int = 0) -> Value:
    """Read the value that begins at `at`. Raises `Asn1Error`."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:  # the long form of tags is in none of the formats
        raise Asn1Error
    tag, first = data[at], data[at + 1]
    if first == 0x80:
        return _indefinite(data, at, depth)
    begin = at + 2 + (first & 0x7F if first & 0x80 else 0)
    length = int.from_bytes(data[at + 2 : begin], "big") if first & 0x80 else first
    if begin - at > 2 + MOST_LENGTH_OCTETS or begin + length > len(data):
        raise Asn1Error
    return Value(tag, data[begin : begin + length], begin + length - at)


def _indefinite(data: bytes, at: int, depth: int) -> Value:
    """Read a value of indefinite length (BER only), which ends with two zeros at its own level."""
    if not data[at] & CONSTRUCTED or depth >= DEEPEST:
        raise Asn1Error
    end = at + 2
    parts: list[Value] = []
    while data[end : end + 2] != b"\0\0":
        parts.append(value_at(data, end, depth + 1))
        end += parts[-1].size
    return Value(data[at], data[at + 2 : end], end + 2 - at, tuple(parts))


def values(data: bytes) -> Iterator[Value]:
    """Yield consecutive values. Raises `Asn1Error` at the first that is none."""
    at = 0
    while at < len(data):
        value = value_at(data, at)
        yield value
        at += value.size
