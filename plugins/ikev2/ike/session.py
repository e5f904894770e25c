"""Protected messages of one IKE SA, in fragments where they are long (RFC 7296 section 3.14, RFC 7383)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from plugins.ikev2.ike.failure import IkeFailure, Malformed
from plugins.ikev2.ike.initiation import Agreement
from plugins.ikev2.ike.message import (
    FROM_INITIATOR,
    IS_RESPONSE,
    ExchangeType,
    Header,
    Payload,
    PayloadType,
    read_payloads,
    write_payloads,
)
from plugins.ikev2.ike.notification import name_of, notifications, refusal
from plugins.ikev2.ike.transport import Transport

_GENERIC = struct.Struct(">BxH")
_FRAGMENT = struct.Struct(">HH")
MOST_FRAGMENTS = 128


@dataclass(frozen=True)
class IkeSession:
    """Client's side of an IKE SA."""

    transport: Transport
    agreement: Agreement

    def ask(self, message_id: int, payloads: list[Payload], until: float | None = None) -> list[Payload]:
        """Send an IKE_AUTH request and return the payloads of the answer.

        `until` is an instant of `time.monotonic`, for less patience than the deadline. Raises `IkeFailure`, `OSError`.
        """
        request = self._sealed(message_id, payloads)
        parts = _Parts()
        for message in self.transport.answers(request, until):
            header = Header.read(message)
            if (header.initiator, header.message_id) == (self.agreement.initiator, message_id):
                _check(header)
                if (opened := self._opened(header, message, parts)) is not None:
                    return read_payloads(*opened)
        raise AssertionError

    def _sealed(self, message_id: int, payloads: list[Payload]) -> bytes:
        protection = self.agreement.keys.protection
        padded = protection.padded(write_payloads(payloads))
        length = _GENERIC.size + len(padded) + protection.overhead
        spis = self.agreement.initiator, self.agreement.responder
        header = Header(*spis, PayloadType.SK, ExchangeType.IKE_AUTH, FROM_INITIATOR, message_id)
        covered = header.write(Header.SIZE + length) + _GENERIC.pack(payloads[0].kind, length)
        return covered + protection.seal(covered, padded)

    def _opened(self, header: Header, message: bytes, parts: _Parts) -> tuple[int, bytes] | None:
        """Return type of the first payload, and all of them; None while fragments are missing."""
        if header.first not in {PayloadType.SK, PayloadType.SKF}:
            raise _unprotected(header, message)
        start = Header.SIZE + _GENERIC.size + (_FRAGMENT.size if header.first == PayloadType.SKF else 0)
        if len(message) < start:
            raise Malformed("its protected payload is cut off")
        first, length = _GENERIC.unpack_from(message, Header.SIZE)
        if length != len(message) - Header.SIZE:
            raise Malformed("its protected payload is not as long as it says")
        plain = self.agreement.keys.protection.open(message[:start], message[start:])
        if header.first == PayloadType.SK:
            return first, plain
        number, total = _FRAGMENT.unpack_from(message, start - _FRAGMENT.size)
        return parts.put(number, total, first, plain)


@dataclass
class _Parts:
    """Fragments of one answer, in any order, and more than once."""

    total: int = 0
    there: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def put(self, number: int, total: int, first: int, plain: bytes) -> tuple[int, bytes] | None:
        """Keep one. Return the whole when it is complete: the type of its first payload, and all of them."""
        if not 1 <= number <= total <= MOST_FRAGMENTS:
            raise Malformed(f"it is fragment {number} of {total}")
        if total > self.total:  # sent again in smaller ones (RFC 7383 section 2.6)
            self.total = total
            self.there.clear()
        if total == self.total:
            self.there.setdefault(number, (first, plain))
        if len(self.there) < self.total:
            return None
        return self.there[1][0], b"".join(self.there[each][1] for each in range(1, self.total + 1))


def _check(header: Header) -> None:
    if header.exchange != ExchangeType.IKE_AUTH or not header.flags & IS_RESPONSE:
        raise Malformed("it does not answer IKE_AUTH")


def _unprotected(header: Header, message: bytes) -> IkeFailure:
    error = refusal(notifications(read_payloads(header.first, message[Header.SIZE :])))
    name = f": {name_of(error)}" if error is not None else ""
    return IkeFailure(f"its answer to IKE_AUTH is not protected{name}")
