"""Exchange IKE_SA_INIT: both sides agree on algorithms and keys (RFC 7296 sections 1.2, 2.6, 2.7)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from plugins.ikev2.ike.failure import IkeFailure, Malformed
from plugins.ikev2.ike.key_exchange import GROUPS, KeyExchange, new_key_exchange
from plugins.ikev2.ike.keys import Keys, derive
from plugins.ikev2.ike.message import (
    FROM_INITIATOR,
    IS_RESPONSE,
    ExchangeType,
    Header,
    Payload,
    PayloadType,
    only,
    read_payloads,
    write_payloads,
)
from plugins.ikev2.ike.notification import (
    COOKIE,
    FRAGMENTATION_SUPPORTED,
    INVALID_KE_PAYLOAD,
    NO_PROPOSAL_CHOSEN,
    SIGNATURE_HASH_ALGORITHMS,
    name_of,
    notifications,
    notify,
    refusal,
)
from plugins.ikev2.ike.proposal import chosen, offer
from plugins.ikev2.ike.signature import HASHES
from plugins.ikev2.ike.transport import Transport

MOST_ROUNDS = 5
"""A cookie, another group, a new cookie for that, and two more."""
NONCE = 32
"""Octets: half of the longest PRF's key at least (RFC 7296 section 2.10)."""


@dataclass(frozen=True)
class Agreement:
    """IKE SA whose sides are not authenticated yet."""

    initiator: bytes
    responder: bytes
    nonce: bytes
    """This side's, which the server signs together with its own message."""
    message: bytes
    """The server's answer, as it came."""
    keys: Keys = field(repr=False)


def initiate(transport: Transport) -> Agreement:
    """Agree with the server. Raises `IkeFailure`, and `OSError` as sockets do."""
    attempt = _Attempt(secrets.token_bytes(8), secrets.token_bytes(NONCE), GROUPS[0])
    for _ in range(MOST_ROUNDS):
        exchange = new_key_exchange(attempt.group)
        header, message = _answer(transport, attempt.request(exchange), attempt.spi)
        payloads = read_payloads(header.first, message[Header.SIZE :])
        if not attempt.begin_again(notifications(payloads)):
            return attempt.agree(exchange, header, message, payloads)
    raise IkeFailure("it asks for ever more cookies or other groups")


def _answer(transport: Transport, request: bytes, spi: bytes) -> tuple[Header, bytes]:
    try:
        for message in transport.answers(request):
            header = Header.read(message)
            if header.initiator == spi and header.message_id == 0:
                return _checked(header), message
    except TimeoutError:
        raise TimeoutError(
            "no answer to IKE_SA_INIT; charon also keeps silent for half a minute to a client that left five logins half done"
        ) from None
    raise AssertionError


def _checked(header: Header) -> Header:
    if header.exchange != ExchangeType.IKE_SA_INIT or not header.flags & IS_RESPONSE:
        raise Malformed("it does not answer IKE_SA_INIT")
    return header


@dataclass
class _Attempt:
    spi: bytes
    nonce: bytes
    group: int
    cookie: bytes = b""
    tried: set[int] = field(default_factory=set)

    def request(self, exchange: KeyExchange) -> bytes:
        """A cookie goes first (RFC 7296 section 2.6)."""
        payloads = [
            *([notify(COOKIE, self.cookie)] if self.cookie else []),
            Payload(PayloadType.SA, offer(self.group)),
            Payload(PayloadType.KE, self.group.to_bytes(2, "big") + bytes(2) + exchange.public),
            Payload(PayloadType.NONCE, self.nonce),
            notify(FRAGMENTATION_SUPPORTED),
            notify(SIGNATURE_HASH_ALGORITHMS, HASHES),
        ]
        body = write_payloads(payloads)
        header = Header(self.spi, bytes(8), payloads[0].kind, ExchangeType.IKE_SA_INIT, FROM_INITIATOR, 0)
        return header.write(Header.SIZE + len(body)) + body

    def begin_again(self, said: dict[int, bytes]) -> bool:
        """Whether the server wants a cookie, or another group. Raises `IkeFailure` when it refuses."""
        if INVALID_KE_PAYLOAD in said:
            self._take_group(said[INVALID_KE_PAYLOAD])
            return True
        error = refusal(said)
        if error == NO_PROPOSAL_CHOSEN:
            raise IkeFailure(
                "it refuses IKE_SA_INIT: NO_PROPOSAL_CHOSEN; it has no connection for this address, or only ones with "
                "algorithms that the probe does not know"
            )
        if error is not None:
            raise IkeFailure(f"it refuses IKE_SA_INIT: {name_of(error)}")
        return self._take_cookie(said.get(COOKIE))

    def _take_group(self, data: bytes) -> None:
        self.tried.add(self.group)
        group = int.from_bytes(data, "big")
        if len(data) != 2 or group not in GROUPS:
            raise Malformed("it asks for a group that was not offered")
        if group in self.tried:
            raise IkeFailure("it asks for one group after the other")
        self.group = group

    def _take_cookie(self, cookie: bytes | None) -> bool:
        if cookie is None:
            return False
        if not 1 <= len(cookie) <= 64:
            raise Malformed("its cookie is not 1 to 64 octets long")
        self.cookie = cookie
        return True

    def agree(self, exchange: KeyExchange, header: Header, message: bytes, payloads: Sequence[Payload]) -> Agreement:
        choice = chosen(only(payloads, PayloadType.SA))
        theirs, nonce = only(payloads, PayloadType.KE), only(payloads, PayloadType.NONCE)
        if choice.group != self.group or theirs[:2] != self.group.to_bytes(2, "big"):
            raise Malformed("its key exchange is in another group than ours")
        if not 16 <= len(nonce) <= 256 or not any(header.responder):
            raise Malformed("its nonce or its SPI has a wrong length")
        secret = exchange.secret(theirs[4:])
        keys = derive(choice, secret, self.nonce + nonce, self.spi + header.responder)
        return Agreement(self.spi, header.responder, self.nonce, message, keys)
