"""What the IKEv2 probe says of servers that lie: a clear sentence, never a traceback, never a hang, never a chain."""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from chainwright import Endpoint, Expected, ProbeFailed
from plugins.ikev2.ike.failure import IkeFailure
from plugins.ikev2.ike.handshake import converse
from plugins.ikev2.ike.message import Payload, PayloadType
from plugins.ikev2.ike.notification import notify
from plugins.ikev2.probe import IkeProbe
from support.cas import certificates as toy_ca
from support.cas.certificates import Party
from support.fuzz import NEVER_HANGS, changed, fuzzed, some_changes
from support.servers.ike_responder import EAP_IDENTITY, Responder, Wire, proposal, served

NAME = "gw.example.test"
CA = toy_ca.root().authority("Toy Intermediate")
LEAF = CA.leaf(NAME)
OTHER = CA.leaf(NAME)
RSA = CA.leaf(NAME, key=toy_ca.rsa_key())
CHAIN = (LEAF, CA)
DER = [each.certificate.public_bytes(Encoding.DER) for each in CHAIN]

pytestmark = [
    NEVER_HANGS,
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),  # of odd certificates
]


def honest(**changes: object) -> Responder:
    return Responder(LEAF, (CA,), **changes)


def told(answer: Callable[[bytes], list[bytes]], name: str = NAME) -> str:
    """Return why there is no proof."""
    with pytest.raises((IkeFailure, TimeoutError)) as caught:
        converse(Wire(answer), identity=name, client="tests")
    return str(caught.value)


def without(kind: PayloadType) -> Callable[[list[Payload]], list[Payload]]:
    return lambda payloads: [each for each in payloads if each.kind != kind]


def with_body(kind: PayloadType, body: bytes) -> Callable[[list[Payload]], list[Payload]]:
    return lambda payloads: [Payload(kind, body) if each.kind == kind else each for each in payloads]


def instead(*payloads: Payload) -> Callable[[list[Payload]], list[Payload]]:
    return lambda _: list(payloads)


def look(port: int, host: str = "127.0.0.1", seconds: float = 20) -> tuple[str, ...]:
    endpoint = Endpoint(host=host, port=port, server_name=NAME)
    return IkeProbe().look(endpoint, time.monotonic() + seconds, Expected(fingerprints=(), generation=1)).fingerprints


# Honest ones


def test_an_honest_one_is_believed_and_left_politely():
    responder = honest()
    assert converse(Wire(responder), identity=NAME, client="tests") == DER
    assert len(responder.heard) == 3, "the third refuses EAP"


def test_it_is_left_politely_after_a_lie_too():
    responder = honest(signer=OTHER)
    told(responder)
    assert len(responder.heard) == 3


@pytest.mark.root
def test_on_port_500_messages_go_without_a_marker():
    with served(honest(), "127.61.73.5", 500) as port:
        assert look(port, "127.61.73.5") == tuple(hashlib.sha256(each).hexdigest() for each in DER)


def test_fragments_come_in_any_order_and_twice():
    responder = honest(fragments=lambda parts: [*reversed(parts[1:]), parts[1], *parts])
    assert converse(Wire(responder), identity=NAME, client="tests") == DER


def test_smaller_fragments_take_the_place_of_larger_ones():
    responder = honest(fragments=lambda parts: [(1, 2, b"old"), *parts])
    assert converse(Wire(responder), identity=NAME, client="tests") == DER


def test_what_is_lost_is_asked_for_again():
    lost = iter([[], None, [], None, [], None])

    def once_in_two(message: bytes) -> list[bytes]:
        return [message] if next(lost) is None else []

    with served(honest(wire=once_in_two)) as port:
        assert look(port) == tuple(hashlib.sha256(each).hexdigest() for each in DER)


def test_answers_to_somebody_else_are_passed_over():
    responder = honest(wire=lambda message: [b"somebody" + message[8:], message])
    assert converse(Wire(responder), identity=NAME, client="tests") == DER


# Proofs that are none


def test_another_key_than_the_certificates_is_seen():
    assert told(honest(signer=OTHER)) == (
        "it does not have the key of the certificate that it shows: its signature is wrong"
    )


def test_the_whole_way_up_to_the_agents_error():
    with served(honest(signer=OTHER)) as port, pytest.raises(ProbeFailed, match="does not have the key") as caught:
        look(port)
    assert not caught.value.dead


def test_a_stolen_proof_of_another_login_is_none():
    responder = honest()
    kept: list[Payload] = []
    responder.auth = lambda payloads: kept.extend(payloads) or payloads
    converse(Wire(responder), identity=NAME, client="tests")
    assert "its signature is wrong" in told(honest(auth=instead(*kept)))


def test_whoever_calls_itself_something_else_is_named():
    said = told(honest(name="evil\x1b.example.test"))
    assert said == 'it was asked to be "gw.example.test", and says that it is "evil?.example.test"'


VERSION_3, VERSION_4 = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03"
"""Of a certificate, DER (RFC 5280 section 4.1.2.1)."""
PROOFS = [
    ("shows no certificate", without(PayloadType.CERT)),
    ("no IDR payload", without(PayloadType.IDR)),
    ("no AUTH payload", without(PayloadType.AUTH)),
    ("2 AUTH payloads", lambda payloads: [*payloads, *(each for each in payloads if each.kind == PayloadType.AUTH)]),
    ("does not say who it is", with_body(PayloadType.IDR, b"\2\0\0\0")),
    ("encoding that was not asked for", with_body(PayloadType.CERT, b"\x0c" + DER[0])),
    ("can't be read", with_body(PayloadType.CERT, b"\4" + DER[0][:-9])),
    ("can't be read", with_body(PayloadType.CERT, b"\4" + DER[0].replace(VERSION_3, VERSION_4, 1))),
    ("AUTH payload is cut off", with_body(PayloadType.AUTH, b"\x0e\0\0\0")),
    ("by the method 2,", with_body(PayloadType.AUTH, b"\2\0\0\0" + bytes(32))),
    ("by the method 1,", with_body(PayloadType.AUTH, b"\1\0\0\0" + bytes(256))),
    ("another length", with_body(PayloadType.AUTH, b"\x09\0\0\0" + bytes(63))),
    ("its signature is wrong", with_body(PayloadType.AUTH, b"\x09\0\0\0" + bytes(64))),
    ("by which algorithm", with_body(PayloadType.AUTH, b"\x0e\0\0\0\xff\x30\x03")),
    ("was not offered", with_body(PayloadType.AUTH, bytes.fromhex("0e0000000b300906072a8648ce3d0401") + bytes(70))),
    ("AUTHENTICATION_FAILED", instead(notify(24))),
    ("refuses before it shows a certificate: INVALID_SYNTAX", instead(notify(7))),
    ("refuses before it shows a certificate: error 99", instead(notify(99))),
    ("shows no certificate", instead()),
    ("a notification is cut off", instead(Payload(PayloadType.NOTIFY, b"\0\xff\0\x18"))),
]


@pytest.mark.parametrize(("reason", "lie"), PROOFS)
def test_a_lie_in_the_proof_is_named(reason: str, lie: Callable[[list[Payload]], list[Payload]]):
    assert reason in told(honest(auth=lie))


BEGINNINGS = [
    ("NO_PROPOSAL_CHOSEN", instead(notify(14))),
    ("refuses IKE_SA_INIT: INVALID_SYNTAX", instead(notify(7))),
    ("no SA payload", without(PayloadType.SA)),
    ("no KE payload", without(PayloadType.KE)),
    ("no NONCE payload", without(PayloadType.NONCE)),
    ("a wrong length", with_body(PayloadType.NONCE, b"short")),
    ("none of the group", with_body(PayloadType.KE, b"\0\x1f\0\0" + bytes(32))),
    ("none of the group", with_body(PayloadType.KE, b"\0\x1f\0\0" + bytes(31))),
    ("in another group", with_body(PayloadType.KE, b"\0\x13\0\0" + bytes(64))),
    ("in another group", with_body(PayloadType.SA, proposal(group=19))),
    ("what was not offered", with_body(PayloadType.SA, proposal(encryption=3))),
    ("what was not offered", with_body(PayloadType.SA, proposal(bits=40))),
    ("what was not offered", with_body(PayloadType.SA, proposal(prf=1))),
    ("what was not offered", with_body(PayloadType.SA, proposal(group=1))),
    ("what was not offered", with_body(PayloadType.SA, proposal(encryption=12, number=2))),
    ("what was not offered", with_body(PayloadType.SA, proposal(encryption=12, number=2, integrity=1))),
    ("not one proposal", with_body(PayloadType.SA, proposal() + b"\0")),
    ("SA payload is cut off", with_body(PayloadType.SA, b"")),
    ("group that was not offered", instead(notify(17, b"\0\x63"))),
    ("one group after the other", instead(notify(17, b"\0\x1f"))),
    ("cookie is not", instead(notify(16390, bytes(65)))),
    ("ever more cookies", instead(notify(16390, b"again"))),
    ("unknown type 200", None),
]


@pytest.mark.parametrize(("reason", "lie"), BEGINNINGS)
def test_a_lie_at_the_beginning_is_named(reason: str, lie: Callable[[list[Payload]], list[Payload]] | None):
    def critical(message: bytes) -> list[bytes]:
        return [message[:16] + b"\xc8" + message[17:28] + bytes([message[28], 0x80]) + message[30:]]

    assert reason in told(honest(init=lie) if lie else honest(wire=critical))


WIRES: list[tuple[str, Callable[[bytes], list[bytes]]]] = [
    ("what answers is not IKE", lambda _: [b"HTTP/1.1 400\r\n\r\n"]),
    ("what answers is not IKEv2", lambda message: [message[:17] + b"\x10" + message[18:]]),
    ("its length is not what it says", lambda message: [message[:-1]]),
    ("does not answer IKE_SA_INIT", lambda message: [message[:19] + b"\x08" + message[20:]]),
    ("no answer to IKE_SA_INIT", lambda message: [b"somebody" + message[8:]]),
    ("no answer to IKE_SA_INIT", lambda _: []),
]


@pytest.mark.parametrize(("reason", "wire"), WIRES)
def test_what_is_no_answer_is_named(reason: str, wire: Callable[[bytes], list[bytes]]):
    assert reason in told(honest(wire=wire))


def in_auth(change: Callable[[bytes], list[bytes]]) -> Responder:
    return honest(wire=lambda message: change(message) if message[18] == 35 else [message])


AUTH_WIRES: list[tuple[str, Callable[[bytes], list[bytes]]]] = [
    ("not protected by the keys", lambda message: [message[:-1] + bytes([message[-1] ^ 1])]),
    ("no whole answer to IKE_AUTH", lambda _: []),
    ("does not answer IKE_AUTH", lambda message: [message[:18] + b"\x25" + message[19:]]),
    ("is not protected: INVALID_SYNTAX", lambda message: [_bare(message, 41, bytes.fromhex("0000000800000007"))]),
    ("is not protected", lambda message: [_bare(message, 0, b"")]),
    ("payload is cut off", lambda message: [_bare(message, 46, b"\0\0")]),
    ("payload is cut off", lambda message: [_bare(message, 46, struct.pack(">BxH", 36, 12) + bytes(8))]),
    ("not as long as it says", lambda message: [_bare(message, 46, struct.pack(">BxH", 36, 99) + bytes(8))]),
]


def _bare(message: bytes, first: int, body: bytes) -> bytes:
    head = message[:16] + bytes([first]) + message[17:24]
    return head + (28 + len(body)).to_bytes(4, "big") + body


@pytest.mark.parametrize(("reason", "change"), AUTH_WIRES)
def test_what_is_no_protected_answer_is_named(reason: str, change: Callable[[bytes], list[bytes]]):
    assert reason in told(in_auth(change))


@pytest.mark.parametrize("numbers", [(0, 3), (4, 3), (1, 60000)])
def test_impossible_fragments_are_named(numbers: tuple[int, int]):
    assert f"it is fragment {numbers[0]} of {numbers[1]}" in told(honest(fragments=lambda _: [(*numbers, b"part")]))


def test_a_fragment_that_never_comes_is_told_as_such():
    assert told(honest(fragments=lambda parts: parts[1:])) == (
        "it answers IKE_SA_INIT, but no whole answer to IKE_AUTH came"
    )


# Anything


def survives(responder: Responder) -> None:
    """Nothing else is raised, and no other key is believed: of the certificate around it the core judges."""
    try:
        chain = converse(Wire(responder), identity=NAME, client="tests")
    except (IkeFailure, TimeoutError):
        return
    assert x509.load_der_x509_certificate(chain[0]).public_key() == LEAF.key.public_key()


@given(some_changes)
@fuzzed(150, 3_000)
def test_any_change_on_the_wire_is_refused_in_words(changes):
    survives(honest(wire=lambda message: [changed(message, changes)]))


@given(some_changes)
@fuzzed(150, 3_000)
def test_any_change_before_the_lengths_are_written_is_refused_in_words(changes):
    def relabelled(message: bytes) -> list[bytes]:
        body = changed(message[28:], changes)
        return [message[:24] + (28 + len(body)).to_bytes(4, "big") + body]

    survives(honest(wire=relabelled))


@given(some_changes)
@fuzzed(200, 3_000)
def test_any_change_of_what_is_sealed_is_refused_in_words(changes):
    survives(honest(plain=lambda octets: changed(octets, changes)))


@given(st.sampled_from([PayloadType.SA, PayloadType.KE, PayloadType.NONCE]), some_changes)
@fuzzed(150, 3_000)
def test_any_body_of_a_beginning_is_refused_in_words(kind, changes):
    survives(
        honest(init=lambda payloads: [replaced(each, changes) if each.kind == kind else each for each in payloads])
    )


@given(st.sampled_from([PayloadType.IDR, PayloadType.CERT, PayloadType.AUTH, PayloadType.EAP]), some_changes)
@fuzzed(200, 3_000)
def test_any_body_of_a_proof_is_refused_in_words(kind, changes):
    survives(
        honest(auth=lambda payloads: [replaced(each, changes) if each.kind == kind else each for each in payloads])
    )


@given(st.sampled_from([LEAF, RSA]), st.sampled_from([1, 9, 10, 11, 14]), st.binary(max_size=300))
@fuzzed(150, 3_000)
def test_no_invented_signature_is_believed(leaf: Party, method: int, value: bytes):
    body = bytes([method, 0, 0, 0]) + value
    assert told(Responder(leaf, signer=LEAF, auth=with_body(PayloadType.AUTH, body)))


@given(st.binary(max_size=200))
@fuzzed(100, 3_000)
def test_any_datagram_is_refused_in_words(datagram: bytes):
    assert told(lambda _: [datagram])


def test_a_broken_farewell_spoils_no_proof():
    def twisted(payloads: list[Payload]) -> list[Payload]:
        return [*(each for each in payloads if each != EAP_IDENTITY), Payload(PayloadType.EAP, b"\1")]

    assert converse(Wire(honest(auth=twisted)), identity=NAME, client="tests") == DER


def replaced(payload: Payload, changes) -> Payload:
    return Payload(payload.kind, changed(payload.body, changes))
