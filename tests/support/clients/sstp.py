"""A client of SSTP: TLS, the call, PPP as far as addresses, the binding to the leaf, and packets of UDP through the tunnel.

[MS-SSTP] for the call and the binding, RFC 1661 for LCP, RFC 1332 for IPCP. It has no user: slirp asks for none.
"""

import hashlib
import hmac
import ipaddress
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LCP, IPCP, IP = 0xC021, 0x8021, 0x0021
REQUEST, ACK, NAK, REJECT = 1, 2, 3, 4
ECHO_REQUEST, ECHO_REPLY = 9, 10
CALL_CONNECT_REQUEST, CALL_CONNECT_ACK, CALL_CONNECTED, CALL_DISCONNECT, PING, PONG = 1, 2, 4, 6, 8, 9
ENDS = {5: "CALL_ABORT", CALL_DISCONNECT: "CALL_DISCONNECT"}
MRU, MAGIC, ADDRESS = 1, 5, 3
PATIENCE = 20.0
AGAIN = 0.2
"""Seconds until a request is sent once more: the first is lost where pppd doesn't run yet."""
GATEWAY = ipaddress.IPv4Address("10.0.2.2")
"""Slirp's own, and behind it this machine's loopback. Slirp asks for none, and ends when it is not told this one."""
ADDRESSES = {LCP: {MRU, 2, MAGIC, 7, 8}, IPCP: {ADDRESS}}
"""Options of the other side that are taken, by protocol."""


class Ended(Exception):
    """The server has ended the call or the connection."""


@dataclass
class Dialled:
    """A call that was taken."""

    stream: ssl.SSLSocket
    nonce: bytes = b""
    address: ipaddress.IPv4Address | None = None
    """Ours in the tunnel."""
    octets: bytes = b""
    kept: list[tuple[int, bytes]] = field(default_factory=list)
    """Frames of a protocol whose turn has not come."""

    # SSTP

    def call(self, host: str) -> None:
        head = f"SSTP_DUPLEX_POST /sra_{{BA195980-CD49-458b-9E23-C84EE0ADCD75}}/ HTTP/1.1\r\nHost: {host}\r\n"
        self._write(f"{head}Content-Length: {2**64 - 1}\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.octets:
            self._read()
        head, _, self.octets = self.octets.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        self._control(CALL_CONNECT_REQUEST, struct.pack(">BBHH", 0, 1, 6, 1))
        control, content = self._packet()
        assert control
        assert content[:2] == struct.pack(">H", CALL_CONNECT_ACK)
        self.nonce = content[-32:]

    def bind(self, leaf: bytes) -> None:
        """Say which leaf (DER) was presented ([MS-SSTP] section 3.2.5.2.3); without inner authentication its key is of zeros."""
        seed = b"SSTP inner method derived CMK" + struct.pack("<HB", 32, 1)
        key = hmac.digest(bytes(32), seed, "sha256")
        attribute = struct.pack(">BBHI", 0, 3, 104, 2) + self.nonce + hashlib.sha256(leaf).digest()
        content = struct.pack(">BBHHH", 0x10, 1, 112, CALL_CONNECTED, 1) + attribute + bytes(32)
        self._write(content[:-32] + hmac.digest(key, content, "sha256"))

    def hang_up(self) -> None:
        self._control(CALL_DISCONNECT)

    # PPP

    def negotiate(self, protocol: int, wanted: dict[int, bytes]) -> dict[int, bytes]:
        """Agree on a protocol's options, ours and theirs; return ours."""
        identifier, ours, theirs = 1, False, False
        self._ask(protocol, identifier, wanted)
        while not (ours and theirs):
            try:
                code, number, content = self._of(protocol, AGAIN)
            except TimeoutError:
                self._ask(protocol, identifier, wanted)
                continue
            if code == REQUEST:
                theirs = self._answer(protocol, number, content)
            elif code == ACK and number == identifier:
                ours = True
            elif code in {NAK, REJECT} and number == identifier:
                named = dict(options(content))
                wanted = {**wanted, **named} if code == NAK else {key: wanted[key] for key in wanted.keys() - named}
                identifier += 1
                self._ask(protocol, identifier, wanted)
        return wanted

    def _answer(self, protocol: int, number: int, content: bytes) -> bool:
        """Answer what the other side asks for; return whether it was granted."""
        asked = list(options(content))
        strange = {kind: value for kind, value in asked if kind not in ADDRESSES[protocol]}
        if strange:
            self._send(protocol, REJECT, number, written(strange))
        elif protocol == IPCP and dict(asked).get(ADDRESS) == bytes(4):
            self._send(protocol, NAK, number, written({ADDRESS: GATEWAY.packed}))
        else:
            self._send(protocol, ACK, number, content)
            return True
        return False

    def open(self, leaf: bytes | None = None) -> None:
        """Go on to where packets may be sent. `leaf`: another one than was presented."""
        self.negotiate(LCP, {MRU: struct.pack(">H", 1400), MAGIC: os.urandom(4)})
        self.bind(self.stream.getpeercert(True) or b"" if leaf is None else leaf)
        self.address = ipaddress.IPv4Address(self.negotiate(IPCP, {ADDRESS: bytes(4)})[ADDRESS])

    def send_ip(self, protocol: int, content: bytes, to: ipaddress.IPv4Address = GATEWAY) -> None:
        assert self.address is not None
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(content), 1, 0, 64, protocol, 0)
        addresses = self.address.packed + to.packed
        head = head[:10] + struct.pack(">H", checksum(head + addresses))
        self._frame(IP, head + addresses + content)

    def received_ip(self, seconds: float = PATIENCE) -> bytes:
        """Return the content of the next packet for us."""
        packet = self._next(IP, seconds)
        return packet[(packet[0] & 15) * 4 :]

    def echo(self, port: int, text: bytes) -> bytes:
        """Send a datagram to a port of the server's machine; return what comes back."""
        self.send_ip(socket.IPPROTO_UDP, struct.pack(">HHHH", 40000, port, 8 + len(text), 0) + text)
        answer = self.received_ip()
        assert struct.unpack(">HH", answer[:4]) == (port, 40000)
        return answer[8:]

    # Octets

    def _ask(self, protocol: int, identifier: int, wanted: Mapping[int, bytes]) -> None:
        self._send(protocol, REQUEST, identifier, written(wanted))

    def _send(self, protocol: int, code: int, identifier: int, content: bytes) -> None:
        self._frame(protocol, struct.pack(">BBH", code, identifier, 4 + len(content)) + content)

    def _frame(self, protocol: int, content: bytes) -> None:
        frame = b"\xff\x03" + struct.pack(">H", protocol) + content
        self._write(struct.pack(">BBH", 0x10, 0, 4 + len(frame)) + frame)

    def _control(self, kind: int, attribute: bytes = b"") -> None:
        length = 8 + len(attribute)
        self._write(struct.pack(">BBHHH", 0x10, 1, length, kind, 1 if attribute else 0) + attribute)

    def _of(self, protocol: int, seconds: float) -> tuple[int, int, bytes]:
        content = self._next(protocol, seconds)
        code, identifier, length = struct.unpack(">BBH", content[:4])
        return code, identifier, content[4:length]

    def _next(self, protocol: int, seconds: float) -> bytes:
        """Return the next frame of a protocol; requests for an echo of the link are answered, others are kept."""
        for number, (kind, content) in enumerate(self.kept):
            if kind == protocol:
                del self.kept[number]
                return content
        end = time.monotonic() + seconds
        while True:
            control, content = self._packet(end)
            if control:
                self._controlled(content[1])
                continue
            kind, content = opened(content)
            if kind == LCP and content[0] == ECHO_REQUEST:
                self._send(LCP, ECHO_REPLY, content[1], content[4:8])
            elif kind == IPCP and protocol == IP and content[0] == REQUEST:
                self._answer(IPCP, content[1], content[4:])  # our last answer was lost
            elif kind == protocol:
                return content
            else:
                self.kept.append((kind, content))

    def _controlled(self, kind: int) -> None:
        if kind == PING:
            self._control(PONG)
        elif kind in ENDS:
            raise Ended(ENDS[kind])

    def _packet(self, end: float | None = None) -> tuple[bool, bytes]:
        """Return whether the next packet is a control packet, and what is in it."""
        end = time.monotonic() + PATIENCE if end is None else end
        while len(self.octets) < 4 or len(self.octets) < struct.unpack(">H", self.octets[2:4])[0] & 0xFFF:
            self._read(end - time.monotonic())
        (length,) = struct.unpack(">H", self.octets[2:4])
        packet, self.octets = self.octets[: length & 0xFFF], self.octets[length & 0xFFF :]
        return bool(packet[1] & 1), packet[4:]

    def _write(self, octets: bytes) -> None:
        try:
            self.stream.sendall(octets)
        except ConnectionError:
            raise Ended("the connection") from None

    def _read(self, seconds: float = PATIENCE) -> None:
        self.stream.settimeout(max(seconds, 0.001))
        try:
            more = self.stream.recv(4096)
        except ConnectionError:
            more = b""
        if not more:
            raise Ended("the connection")
        self.octets += more


def options(content: bytes) -> Iterator[tuple[int, bytes]]:
    while len(content) >= 2:
        kind, length = content[0], max(content[1], 2)
        yield kind, content[2:length]
        content = content[length:]


def written(values: Mapping[int, bytes]) -> bytes:
    return b"".join(bytes([kind, 2 + len(value)]) + value for kind, value in values.items())


def opened(frame: bytes) -> tuple[int, bytes]:
    """Return the protocol of a frame and its content; both sides may have agreed to write it shorter (RFC 1661 section 6.5)."""
    frame = frame.removeprefix(b"\xff\x03")
    if frame[0] & 1:
        return frame[0], frame[1:]
    return int.from_bytes(frame[:2], "big"), frame[2:]


def checksum(octets: bytes) -> int:
    """Return the checksum of a header (RFC 791)."""
    total = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
