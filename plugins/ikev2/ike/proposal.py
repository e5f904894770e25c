"""Proposals: SA payloads with offers and the choice (RFC 7296 section 3.3)."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.ikev2.ike.ciphers import CBC, CBC_KEY_LENGTHS, GCM, INTEGRITY, PRFS
from plugins.ikev2.ike.failure import Malformed
from plugins.ikev2.ike.key_exchange import GROUPS

_PROPOSAL = struct.Struct(">BxHBBBB")
_TRANSFORM = struct.Struct(">BxHBxH")
_KEY_LENGTH = 0x800E
"""Attribute type 14 in the short form (RFC 7296 section 3.3.5)."""
_IKE, _ESP = 1, 3
_ENCRYPTION, _PRF, _INTEGRITY, _GROUP, _SEQUENCE_NUMBERS = 1, 2, 3, 4, 5
_NO_INTEGRITY = 0
_MORE_PROPOSALS, _MORE_TRANSFORMS, _LAST = 2, 3, 0

Transform = tuple[int, int, int | None]
"""Type, number, bits of the key."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Choice of the server."""

    encryption: int
    key_length: int
    """Bits."""
    prf: int
    integrity: int | None
    """None: the cipher sees to it itself."""
    group: int


def offer(group: int) -> bytes:
    """Return the body of an SA payload with all that is known; `group` goes first."""
    groups = [(_GROUP, each, None) for each in (group, *(each for each in GROUPS if each != group))]
    prfs: list[Transform] = [(_PRF, each, None) for each in PRFS]
    integrity: list[Transform] = [(_INTEGRITY, each, None) for each in INTEGRITY]
    gcm = [*_ciphers(GCM), *prfs, *groups]
    cbc = [*_ciphers(CBC), *prfs, *integrity, *groups]
    return _proposal(_MORE_PROPOSALS, 1, _IKE, gcm) + _proposal(_LAST, 2, _IKE, cbc)


def child_offer() -> bytes:
    """Return the body of an SA payload for ESP. It comes to nothing: no client is authenticated."""
    transforms = [*_ciphers(CBC), (_INTEGRITY, 12, None), (_SEQUENCE_NUMBERS, 0, None)]
    return _proposal(_LAST, 1, _ESP, transforms, secrets.token_bytes(4))


def _ciphers(number: int) -> list[Transform]:
    return [(_ENCRYPTION, number, bits) for bits in CBC_KEY_LENGTHS]


def _proposal(more: int, number: int, protocol: int, transforms: Sequence[Transform], spi: bytes = b"") -> bytes:
    body = b"".join(
        _transform(_LAST if index == len(transforms) else _MORE_TRANSFORMS, each)
        for index, each in enumerate(transforms, 1)
    )
    length = _PROPOSAL.size + len(spi) + len(body)
    return _PROPOSAL.pack(more, length, number, protocol, len(spi), len(transforms)) + spi + body


def _transform(more: int, transform: Transform) -> bytes:
    kind, number, bits = transform
    attribute = struct.pack(">HH", _KEY_LENGTH, bits) if bits else b""
    return _TRANSFORM.pack(more, _TRANSFORM.size + len(attribute), kind, number) + attribute


def chosen(body: bytes) -> Choice:
    """Read the server's SA payload. Raises `Malformed`, also for what was not offered."""
    if len(body) < _PROPOSAL.size:
        raise Malformed("its SA payload is cut off")
    _, length, number, protocol, spi, _ = _PROPOSAL.unpack_from(body)
    if length != len(body) or protocol != _IKE or spi:
        raise Malformed("its SA payload is not one proposal for IKE")
    found = _by_type(body[_PROPOSAL.size :])
    try:
        encryption, bits = found[_ENCRYPTION]
        choice = Choice(encryption, bits or 0, found[_PRF][0], _integrity(found), found[_GROUP][0])
    except KeyError:
        raise Malformed("its SA payload lacks a transform") from None
    if not _was_offered(choice, number):
        raise Malformed("it chose what was not offered")
    return choice


def _integrity(found: dict[int, tuple[int, int | None]]) -> int | None:
    number = found.get(_INTEGRITY, (_NO_INTEGRITY, None))[0]
    return None if number == _NO_INTEGRITY else number


def _was_offered(choice: Choice, number: int) -> bool:
    cipher = (choice.encryption, choice.integrity is None, number)
    rest = choice.key_length in CBC_KEY_LENGTHS and choice.prf in PRFS and choice.group in GROUPS
    return rest and (cipher == (GCM, True, 1) or (cipher == (CBC, False, 2) and choice.integrity in INTEGRITY))


def _by_type(data: bytes) -> dict[int, tuple[int, int | None]]:
    found: dict[int, tuple[int, int | None]] = {}
    for kind, number, bits in _transforms(data):
        if kind in found:
            raise Malformed("it chose two transforms of one type")
        found[kind] = number, bits
    return found


def _transforms(data: bytes) -> Iterator[Transform]:
    while data:
        if len(data) < _TRANSFORM.size:
            raise Malformed("a transform is cut off")
        _, length, kind, number = _TRANSFORM.unpack_from(data)
        if not _TRANSFORM.size <= length <= len(data):
            raise Malformed("a transform is not as long as it says")
        yield kind, number, _key_length(data[_TRANSFORM.size : length])
        data = data[length:]


def _key_length(attributes: bytes) -> int | None:
    if not attributes:
        return None
    if len(attributes) != 4 or int.from_bytes(attributes[:2], "big") != _KEY_LENGTH:
        raise Malformed("a transform has an unknown attribute")
    return int.from_bytes(attributes[2:], "big")
