"""Packets of SSTP that a probe needs ([MS-SSTP] sections 2.2 and 3.1.5). Pure."""

from __future__ import annotations

import re
import struct
from enum import IntEnum

REQUEST = (
    "SSTP_DUPLEX_POST /sra_{{BA195980-CD49-458b-9E23-C84EE0ADCD75}}/ HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n"
)
ENDLESS = 2**64 - 1
"""Content-Length of both directions ([MS-SSTP] section 3.2.5.1)."""
STATUS_LINE = re.compile(rb"HTTP/1\.[01] 200(?: [^\r\n]*)?")
END_OF_HEAD = b"\r\n\r\n"

VERSION = 0x10
CONTROL = 1
"""Of an octet whose other bits are reserved."""
LENGTH_BITS = 0x0FFF
"""The upper four bits of each length are reserved."""
HEADER = struct.Struct(">BBH")
MESSAGE = struct.Struct(">HH")
SHORTEST = HEADER.size + MESSAGE.size
ENCAPSULATED_PROTOCOL = 1
"""Id of the attribute that says what the call is to carry."""
UNKNOWN_PROTOCOL = 99
"""PPP is 1, and there is no other: a server refuses this one before it starts anything."""


class Message(IntEnum):
    """Types of control packets ([MS-SSTP] section 2.2.2)."""

    CALL_CONNECT_REQUEST = 1
    CALL_CONNECT_ACK = 2
    CALL_CONNECT_NAK = 3
    CALL_CONNECTED = 4
    CALL_ABORT = 5
    CALL_DISCONNECT = 6
    CALL_DISCONNECT_ACK = 7
    ECHO_REQUEST = 8
    ECHO_RESPONSE = 9


class NotSSTP(ValueError):
    """Octets that are no control packet; the text completes "the call was answered with ..."."""


def request(host: str) -> bytes:
    """Return the HTTP request that begins every SSTP connection. `host`: a name or address."""
    return REQUEST.format(f"[{host}]" if ":" in host else host, ENDLESS).encode("ascii")


def is_welcome(head: bytes) -> bool:
    """Whether the head of an HTTP answer lets the client go on."""
    return STATUS_LINE.fullmatch(first_line(head)) is not None


def first_line(head: bytes) -> bytes:
    """Return the status line."""
    return head.partition(b"\r\n")[0]


def impossible_call() -> bytes:
    """Return a call for an unknown protocol, and its end: nothing of PPP is started, and nothing stays open."""
    attribute = struct.pack(">BBHH", 0, ENCAPSULATED_PROTOCOL, 6, UNKNOWN_PROTOCOL)
    return _control(Message.CALL_CONNECT_REQUEST, attribute) + _control(Message.CALL_DISCONNECT)


def read_message(octets: bytes) -> Message | None:
    """Return the type of the control packet at the beginning of `octets`, None while more of it has to come.

    Raises `NotSSTP`.
    """
    if octets and octets[0] != VERSION:
        raise NotSSTP("what is not SSTP")
    if len(octets) < HEADER.size:
        return None
    _, kind, reserved_and_length = HEADER.unpack_from(octets)
    length = reserved_and_length & LENGTH_BITS
    if not kind & CONTROL:
        raise NotSSTP("data instead of a control packet")
    if length < SHORTEST:
        raise NotSSTP(f"a control packet of {length} octets")
    if len(octets) < length:
        return None
    number, _ = MESSAGE.unpack_from(octets, HEADER.size)
    try:
        return Message(number)
    except ValueError:
        raise NotSSTP(f"a control packet of the unknown type {number}") from None


def _control(kind: Message, attribute: bytes = b"") -> bytes:
    length = SHORTEST + len(attribute)
    return HEADER.pack(VERSION, CONTROL, length) + MESSAGE.pack(kind, 1 if attribute else 0) + attribute
