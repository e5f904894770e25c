"""Notify payloads: additional information and refusals (RFC 7296 section 3.10)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from plugins.ikev2.ike.failure import Malformed
from plugins.ikev2.ike.message import Payload, PayloadType

NO_PROPOSAL_CHOSEN = 14
INVALID_KE_PAYLOAD = 17
AUTHENTICATION_FAILED = 24
COOKIE = 16390
FRAGMENTATION_SUPPORTED = 16430
SIGNATURE_HASH_ALGORITHMS = 16431
FIRST_STATUS = 16384
"""Lower numbers are errors."""

NAMES = {
    1: "UNSUPPORTED_CRITICAL_PAYLOAD",
    4: "INVALID_IKE_SPI",
    5: "INVALID_MAJOR_VERSION",
    7: "INVALID_SYNTAX",
    9: "INVALID_MESSAGE_ID",
    11: "INVALID_SPI",
    NO_PROPOSAL_CHOSEN: "NO_PROPOSAL_CHOSEN",
    INVALID_KE_PAYLOAD: "INVALID_KE_PAYLOAD",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    34: "SINGLE_PAIR_REQUIRED",
    35: "NO_ADDITIONAL_SAS",
    36: "INTERNAL_ADDRESS_FAILURE",
    37: "FAILED_CP_REQUIRED",
    38: "TS_UNACCEPTABLE",
    39: "INVALID_SELECTORS",
    43: "TEMPORARY_FAILURE",
    44: "CHILD_SA_NOT_FOUND",
}


def notify(kind: int, data: bytes = b"") -> Payload:
    """Say something about the IKE SA itself: no protocol, no SPI."""
    return Payload(PayloadType.NOTIFY, struct.pack(">BBH", 0, 0, kind) + data)


def notifications(payloads: Sequence[Payload]) -> dict[int, bytes]:
    """Return the data of each notification by its type. Raises `Malformed`."""
    return dict(_read(each.body) for each in payloads if each.kind == PayloadType.NOTIFY)


def refusal(found: dict[int, bytes]) -> int | None:
    """Return the first error among notifications."""
    return next((kind for kind in found if kind < FIRST_STATUS), None)


def name_of(kind: int) -> str:
    """Return an error's name, as RFC 7296 and servers' logs have it."""
    return NAMES.get(kind, f"error {kind}")


def _read(body: bytes) -> tuple[int, bytes]:
    if len(body) < 4 or len(body) < 4 + body[1]:
        raise Malformed("a notification is cut off")
    return int.from_bytes(body[2:4], "big"), body[4 + body[1] :]
