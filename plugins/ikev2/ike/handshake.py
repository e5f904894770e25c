"""Handshake: IKE_SA_INIT, the first IKE_AUTH, and the end of the IKE SA."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from contextlib import closing, suppress

from plugins.ikev2.ike.failure import IkeFailure, Malformed
from plugins.ikev2.ike.identification import identity_of, key_id, same, shown
from plugins.ikev2.ike.initiation import Agreement, initiate
from plugins.ikev2.ike.message import Payload, PayloadType, only
from plugins.ikev2.ike.notification import AUTHENTICATION_FAILED, name_of, notifications, refusal
from plugins.ikev2.ike.proposal import child_offer
from plugins.ikev2.ike.session import IkeSession
from plugins.ikev2.ike.signature import check_signature
from plugins.ikev2.ike.transport import Transport, connect

X509_SIGNATURE = 4
"""How a certificate is encoded (RFC 7296 section 3.6). Hash and URL isn't offered, so nothing else may come."""
EVERYTHING = struct.pack(">BxxxBBHHH", 1, 7, 0, 16, 0, 65535) + bytes(4) + b"\xff" * 4
"""Traffic selectors: all of IPv4 (RFC 7296 section 3.13)."""
ADDRESS_WANTED = struct.pack(">BxxxHH", 1, 1, 0)
"""Configuration: CFG_REQUEST of INTERNAL_IP4_ADDRESS (RFC 7296 section 3.15)."""
EAP_REQUEST, EAP_RESPONSE, EAP_NAK = 1, 2, 3
"""RFC 3748 section 4, section 5.3.1."""
FAREWELL = 1.0
"""Seconds for the end, at most. The proof is there already."""


def proved_chain(host: str, port: int, deadline: float, *, identity: str, client: str) -> list[bytes]:
    """Return the certificates (DER) that the server sent, the leaf first. It has proved that it has the leaf's key.

    `deadline` is an instant of `time.monotonic`. Raises `IkeFailure`, and `OSError` as sockets do.
    """
    with closing(connect(host, port)) as stream:
        return converse(Transport(stream, port, deadline), identity=identity, client=client)


def converse(transport: Transport, *, identity: str, client: str) -> list[bytes]:
    """Do so over what is connected."""
    agreement = initiate(transport)
    session = IkeSession(transport, agreement)
    payloads = _authenticated(session, identity, client)
    try:
        _check_refusal(payloads)
        return _proved(agreement, payloads, identity)
    finally:
        _take_leave(session, payloads)


def _authenticated(session: IkeSession, identity: str, client: str) -> list[Payload]:
    """Send no AUTH payload, which asks for EAP: then the server proves itself first (RFC 7296 section 2.16)."""
    wanted = [Payload(PayloadType.IDR, identity_of(identity))] if identity else []
    request = [
        Payload(PayloadType.IDI, key_id(client)),
        Payload(PayloadType.CERTREQ, bytes([X509_SIGNATURE])),
        *wanted,
        Payload(PayloadType.CP, ADDRESS_WANTED),
        Payload(PayloadType.SA, child_offer()),
        Payload(PayloadType.TSI, EVERYTHING),
        Payload(PayloadType.TSR, EVERYTHING),
    ]
    try:
        return session.ask(1, request)
    except TimeoutError:
        raise TimeoutError("it answers IKE_SA_INIT, but no whole answer to IKE_AUTH came") from None


def _check_refusal(payloads: Sequence[Payload]) -> None:
    error = refusal(notifications(payloads))
    if error == AUTHENTICATION_FAILED:
        raise IkeFailure(
            "it answers IKE but refuses before it shows a certificate: AUTHENTICATION_FAILED; it has no connection for this "
            "identity, or lacks its key, or takes clients by certificate only"
        )
    if error is not None and not any(each.kind == PayloadType.AUTH for each in payloads):
        raise IkeFailure(f"it answers IKE but refuses before it shows a certificate: {name_of(error)}")


def _proved(agreement: Agreement, payloads: Sequence[Payload], identity: str) -> list[bytes]:
    """RFC 7296 section 2.15: what is signed is the first message, this side's nonce, and who the server says that it is."""
    chain = [_certificate(each.body) for each in payloads if each.kind == PayloadType.CERT]
    if not chain:
        raise IkeFailure("it shows no certificate: it proves itself by a shared key, or never sends certificates")
    called = only(payloads, PayloadType.IDR)
    if len(called) <= 4:
        raise Malformed("it does not say who it is")
    signed = agreement.message + agreement.nonce + agreement.keys.prf(called)
    check_signature(chain[0], only(payloads, PayloadType.AUTH), signed)
    if identity and not same(called, identity_of(identity)):
        raise IkeFailure(f"it was asked to be {shown(identity_of(identity))}, and says that it is {shown(called)}")
    return chain


def _certificate(body: bytes) -> bytes:
    if body[:1] != bytes([X509_SIGNATURE]) or len(body) == 1:
        raise Malformed("it sends a certificate in an encoding that was not asked for")
    return body[1:]


def _take_leave(session: IkeSession, payloads: Sequence[Payload]) -> None:
    """Refuse EAP, so that the server drops what was begun at once. Deleting it, or an error, is ignored before EAP ends.

    charon keeps an IKE SA that isn't ended for half a minute, and ignores clients that have left five.
    """
    requests = [
        each.body for each in payloads if each.kind == PayloadType.EAP and each.body[:1] == bytes([EAP_REQUEST])
    ]
    if not requests or len(requests[0]) < 4:
        return
    nak = struct.pack(">BBHBB", EAP_RESPONSE, requests[0][1], 6, EAP_NAK, 0)
    with suppress(OSError, IkeFailure):
        session.ask(2, [Payload(PayloadType.EAP, nak)], time.monotonic() + FAREWELL)
