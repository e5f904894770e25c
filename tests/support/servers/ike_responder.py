"""The other side of IKEv2, for lies that no real server tells. It speaks AES-GCM and Curve25519 unless told otherwise."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from plugins.ikev2.ike.ciphers import CbcProtection, GcmProtection, Protection
from plugins.ikev2.ike.identification import identity_of
from plugins.ikev2.ike.key_exchange import new_key_exchange
from plugins.ikev2.ike.keys import Keys, derive
from plugins.ikev2.ike.message import (
    IS_RESPONSE,
    ExchangeType,
    Header,
    Payload,
    PayloadType,
    only,
    read_payloads,
    write_payloads,
)
from plugins.ikev2.ike.proposal import Choice
from support.cas.certificates import Party

SPI = b"RESPONSE"
NONCE = bytes(range(32))
ECDSA_SHA256 = bytes.fromhex("0c300a06082a8648ce3d040302")
EAP_IDENTITY = Payload(PayloadType.EAP, struct.pack(">BBHB", 1, 7, 5, 1))
Reply = list[bytes]


def proposal(
    encryption: int = 20, bits: int = 256, prf: int = 5, group: int = 31, number: int = 1, **also: int
) -> bytes:
    """Return an SA payload with one proposal. `also`: ``integrity``."""
    transforms = [struct.pack(">BxHBxHHH", 3, 12, 1, encryption, 0x800E, bits), struct.pack(">BxHBxH", 3, 8, 2, prf)]
    if "integrity" in also:
        transforms.append(struct.pack(">BxHBxH", 3, 8, 3, also["integrity"]))
    transforms.append(struct.pack(">BxHBxH", 0, 8, 4, group))
    body = b"".join(transforms)
    return struct.pack(">BxHBBBB", 0, 8 + len(body), number, 1, 0, len(transforms)) + body


def laid_out(payloads: list[Payload]) -> tuple[int, bytes]:
    """Return the type of the first payload, and all of them."""
    return (payloads[0].kind, write_payloads(payloads)) if payloads else (0, b"")


def turned(protection: Protection) -> Protection:
    """The keys of the other side."""
    if isinstance(protection, GcmProtection):
        return replace(protection, to_server=protection.from_server, from_server=protection.to_server)
    assert isinstance(protection, CbcProtection)
    keys = {"to_server": protection.from_server, "from_server": protection.to_server}
    return replace(
        protection, **keys, mac_to_server=protection.mac_from_server, mac_from_server=protection.mac_to_server
    )


@dataclass
class Responder:
    """Answers as it ought to, but for what a test changes."""

    leaf: Party
    intermediates: tuple[Party, ...] = ()
    name: str = "gw.example.test"
    signer: Party | None = None
    init: Callable[[list[Payload]], list[Payload]] = lambda payloads: payloads
    auth: Callable[[list[Payload]], list[Payload]] = lambda payloads: payloads
    plain: Callable[[bytes], bytes] = lambda octets: octets
    """Changes what is then sealed."""
    wire: Callable[[bytes], Reply] = lambda message: [message]
    """Changes messages as they are sent."""
    fragments: Callable[[list[tuple[int, int, bytes]]], list[tuple[int, int, bytes]]] | None = None
    """Fragments of an IKE_AUTH answer: number, total, octets."""
    heard: list[bytes] = field(default_factory=list)
    keys: Keys | None = None
    answer_to_init: bytes = b""
    nonce: bytes = b""

    def __call__(self, request: bytes) -> Reply:
        """Return the answers to one request."""
        self.heard.append(request)
        header = Header.read(request)
        if header.exchange == ExchangeType.IKE_SA_INIT:
            return self.wire(self._init(header, request))
        return [sent for message in self._auth(header) for sent in self.wire(message)]

    def _init(self, header: Header, request: bytes) -> bytes:
        asked = read_payloads(header.first, request[Header.SIZE :])
        exchange = new_key_exchange(31)
        theirs, self.nonce = only(asked, PayloadType.KE)[4:], only(asked, PayloadType.NONCE)
        spis = header.initiator + SPI
        nonces = self.nonce + NONCE
        if len(theirs) == 32:
            self.keys = derive(Choice(20, 256, 5, None, 31), exchange.secret(theirs), nonces, spis)
        usual = [
            Payload(PayloadType.SA, proposal()),
            Payload(PayloadType.KE, b"\0\x1f\0\0" + exchange.public),
            Payload(PayloadType.NONCE, NONCE),
        ]
        payloads = self.init(usual)
        first, body = laid_out(payloads)
        answer = Header(header.initiator, SPI, first, ExchangeType.IKE_SA_INIT, IS_RESPONSE, 0)
        self.answer_to_init = answer.write(Header.SIZE + len(body)) + body
        return self.answer_to_init

    def _auth(self, header: Header) -> Reply:
        payloads = self.auth(self._proof()) if header.message_id == 1 else [Payload(PayloadType.EAP, b"\4\7\0\4")]
        first, body = laid_out(payloads)
        body = self.plain(body)
        if self.fragments is None or header.message_id != 1:
            return [self._sealed(header, PayloadType.SK, first, b"", body)]
        cut = [body[at : at + 200] for at in range(0, len(body), 200)]
        parts = self.fragments([(number, len(cut), part) for number, part in enumerate(cut, 1)])
        return [
            self._sealed(header, PayloadType.SKF, first if number == 1 else 0, struct.pack(">HH", number, total), part)
            for number, total, part in parts
        ]

    def _proof(self) -> list[Payload]:
        assert self.keys
        called = identity_of(self.name)
        signed = self.answer_to_init + self.nonce + self.keys.prf(called)
        signature = (self.signer or self.leaf).key.sign(signed, ec.ECDSA(hashes.SHA256()))
        chain = [each.certificate.public_bytes(Encoding.DER) for each in (self.leaf, *self.intermediates)]
        return [
            Payload(PayloadType.IDR, called),
            *(Payload(PayloadType.CERT, b"\4" + each) for each in chain),
            Payload(PayloadType.AUTH, b"\x0e\0\0\0" + ECDSA_SHA256 + signature),
            EAP_IDENTITY,
        ]

    def _sealed(self, header: Header, kind: int, first: int, fragment: bytes, plain: bytes) -> bytes:
        assert self.keys
        protection = turned(self.keys.protection)
        padded = protection.padded(plain)
        length = 4 + len(fragment) + len(padded) + protection.overhead
        answer = Header(header.initiator, SPI, kind, ExchangeType.IKE_AUTH, IS_RESPONSE, header.message_id)
        covered = answer.write(Header.SIZE + length) + struct.pack(">BxH", first, length) + fragment
        return covered + protection.seal(covered, padded)


@dataclass
class Wire:
    """A conversation without a network; who is asked answers at once, or never."""

    answer: Callable[[bytes], Reply]

    def answers(self, request: bytes, until: float | None = None) -> Iterator[bytes]:
        yield from self.answer(request)
        raise TimeoutError


@contextmanager
def served(answer: Callable[[bytes], Reply], host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Answer datagrams, without their marker; give the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.bind((host, port))
        bound = stream.getsockname()[1]
        marker = b"" if bound == 500 else bytes(4)
        thread = threading.Thread(target=_serve, args=(stream, answer, marker), daemon=True)
        thread.start()
        try:
            yield bound
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (host, bound))
            thread.join(20)
            assert not thread.is_alive()


def _serve(stream: socket.socket, answer: Callable[[bytes], Reply], marker: bytes) -> None:
    while True:
        request, client = stream.recvfrom(65535)
        if not request:
            return
        assert request.startswith(marker)
        with suppress(OSError):
            for each in answer(request[len(marker) :]):
                stream.sendto(marker + each, client)
