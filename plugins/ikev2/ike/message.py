"""IKE messages and their payloads, as octets (RFC 7296 section 3)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from plugins.ikev2.ike.failure import IkeFailure, Malformed

_HEADER = struct.Struct(">8s8sBBBBII")
_GENERIC = struct.Struct(">BxH")
VERSION = 0x20
"""Major version 2, minor version 0."""
FROM_INITIATOR = 0x08
IS_RESPONSE = 0x20


class ExchangeType(IntEnum):
    """Exchange types (RFC 7296 section 3.1)."""

    IKE_SA_INIT = 34
    IKE_AUTH = 35


class PayloadType(IntEnum):
    """Payload types (RFC 7296 section 3.2, RFC 7383 section 2.5)."""

    NONE = 0
    SA = 33
    KE = 34
    IDI = 35
    IDR = 36
    CERT = 37
    CERTREQ = 38
    AUTH = 39
    NONCE = 40
    NOTIFY = 41
    TSI = 44
    TSR = 45
    SK = 46
    CP = 47
    EAP = 48
    SKF = 53


KNOWN = frozenset(PayloadType)
CRITICAL = 0x80


@dataclass(frozen=True, slots=True)
class Payload:
    """Payload without its generic header."""

    kind: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """Fixed header of a message."""

    initiator: bytes
    responder: bytes
    first: int
    """Type of the first payload."""
    exchange: int
    flags: int
    message_id: int

    SIZE = _HEADER.size

    def write(self, length: int) -> bytes:
        """Return it for a message of `length` octets, itself among them."""
        kinds = (self.first, VERSION, self.exchange, self.flags)
        return _HEADER.pack(self.initiator, self.responder, *kinds, self.message_id, length)

    @classmethod
    def read(cls, message: bytes) -> Header:
        """Raises `IkeFailure` for what is no IKE, `Malformed` for what is none as it should be."""
        if len(message) < cls.SIZE:
            raise IkeFailure("what answers is not IKE")
        initiator, responder, first, version, exchange, flags, message_id, length = _HEADER.unpack_from(message)
        if version >> 4 != VERSION >> 4:
            raise IkeFailure("what answers is not IKEv2")
        if length != len(message):
            raise Malformed("its length is not what it says")
        return cls(initiator, responder, first, exchange, flags, message_id)


def write_payloads(payloads: Sequence[Payload]) -> bytes:
    """Return payloads as a chain."""
    following = [*(each.kind for each in payloads[1:]), PayloadType.NONE]
    written = (
        _GENERIC.pack(after, _GENERIC.size + len(each.body)) + each.body
        for each, after in zip(payloads, following, strict=True)
    )
    return b"".join(written)


def read_payloads(first: int, data: bytes) -> list[Payload]:
    """Take a chain apart. Raises `Malformed`."""
    found = []
    kind = first
    while kind != PayloadType.NONE:
        if len(data) < _GENERIC.size:
            raise Malformed("a payload is cut off")
        following, length = _GENERIC.unpack_from(data)
        if not _GENERIC.size <= length <= len(data):
            raise Malformed("a payload is not as long as it says")
        if kind not in KNOWN and data[1] & CRITICAL:
            raise Malformed(f"it has a critical payload of the unknown type {kind}")
        found.append(Payload(kind, data[_GENERIC.size : length]))
        kind, data = following, data[length:]
    if data:
        raise Malformed("octets follow its last payload")
    return found


def only(payloads: Sequence[Payload], kind: PayloadType) -> bytes:
    """Return the body of the one payload of this type. Raises `Malformed`."""
    bodies = [each.body for each in payloads if each.kind == kind]
    if len(bodies) != 1:
        raise Malformed(f"it has {len(bodies) or 'no'} {kind.name} payload{'s' if bodies else ''}")
    return bodies[0]
