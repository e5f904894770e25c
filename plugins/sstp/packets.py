"""Packets of SSTP that a probe needs ([MS-SSTP] sections 2.2 and 3.1.5), and those of PPP in them (RFC 1661). Pure."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
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
PPP = 1
"""There is no other protocol ([MS-SSTP] section 2.2.5)."""
ADDRESS_AND_CONTROL = b"\xff\x03"
"""Before each frame, unless both sides have agreed to leave them out (RFC 1662 section 3.1)."""
LCP = b"\xc0\x21"
IDENTIFIER = 1
"""Of the only request that is sent."""


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


class LinkCode(IntEnum):
    """Types of LCP packets that tell how far a link is (RFC 1661 section 5)."""

    CONFIGURE_REQUEST = 1
    CONFIGURE_ACK = 2
    CONFIGURE_NAK = 3
    CONFIGURE_REJECT = 4
    TERMINATE_REQUEST = 5


ANSWERS = (LinkCode.CONFIGURE_ACK, LinkCode.CONFIGURE_NAK, LinkCode.CONFIGURE_REJECT)
"""Any of them shows that PPP is at work at the other end."""


class NotSSTP(ValueError):
    """Octets that are no packet; the text completes "the call was answered with ..."."""


def request(host: str) -> bytes:
    """Return the HTTP request that begins every SSTP connection. `host`: a name or address."""
    return REQUEST.format(f"[{host}]" if ":" in host else host, ENDLESS).encode("ascii")


def is_welcome(head: bytes) -> bool:
    """Whether the head of an HTTP answer lets the client go on."""
    return STATUS_LINE.fullmatch(first_line(head)) is not None


def first_line(head: bytes) -> bytes:
    """Return the status line."""
    return head.partition(b"\r\n")[0]


@dataclass(frozen=True, slots=True)
class Packet:
    """A control packet, or a frame of PPP."""

    message: Message | None
    """None: a frame."""
    frame: bytes
    length: int
    """Octets of the whole packet."""


def call() -> bytes:
    """Return a call for PPP, as every client begins with."""
    return _control(Message.CALL_CONNECT_REQUEST, struct.pack(">BBHH", 0, ENCAPSULATED_PROTOCOL, 6, PPP))


def hang_up() -> bytes:
    """Return the end of a call."""
    return _control(Message.CALL_DISCONNECT)


def configure_request() -> bytes:
    """Return the frame that every link of PPP begins with: a Configure-Request of LCP, here without options."""
    frame = ADDRESS_AND_CONTROL + LCP + struct.pack(">BBH", LinkCode.CONFIGURE_REQUEST, IDENTIFIER, 4)
    return HEADER.pack(VERSION, 0, HEADER.size + len(frame)) + frame


def read_packet(octets: bytes) -> Packet | None:
    """Return the packet at the beginning of `octets`, None while more of it has to come. Raises `NotSSTP`."""
    if octets and octets[0] != VERSION:
        raise NotSSTP("what is not SSTP")
    if len(octets) < HEADER.size:
        return None
    _, kind, reserved_and_length = HEADER.unpack_from(octets)
    length = reserved_and_length & LENGTH_BITS
    if length < (SHORTEST if kind & CONTROL else HEADER.size):
        raise NotSSTP(f"a packet of {length} octets")
    if len(octets) < length:
        return None
    if not kind & CONTROL:
        return Packet(None, octets[HEADER.size : length], length)
    number, _ = MESSAGE.unpack_from(octets, HEADER.size)
    try:
        return Packet(Message(number), b"", length)
    except ValueError:
        raise NotSSTP(f"a control packet of the unknown type {number}") from None


def link_code(frame: bytes) -> LinkCode | None:
    """Return what a frame says of the link; None: it is of another protocol than LCP, or no answer to our request."""
    content = frame.removeprefix(ADDRESS_AND_CONTROL)
    if content[:2] != LCP or len(content) < 6:
        return None
    code, identifier = content[2], content[3]
    if code in ANSWERS and identifier != IDENTIFIER:
        return None
    return LinkCode(code) if code in set(LinkCode) else None


def _control(kind: Message, attribute: bytes = b"") -> bytes:
    length = SHORTEST + len(attribute)
    return HEADER.pack(VERSION, CONTROL, length) + MESSAGE.pack(kind, 1 if attribute else 0) + attribute
