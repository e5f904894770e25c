"""Looking at SSTP: what a server can get wrong behind a good handshake, each with its whole message."""

import struct
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probing.probe import mismatch
from chainwright import Endpoint, Expected, ProbeFailed
from plugins.sstp.packets import (
    Message,
    NotSSTP,
    first_line,
    impossible_call,
    is_welcome,
    read_message,
    request,
)
from plugins.sstp.probe import SSTPProbe
from support.servers.local import Maker, listening, securing

WELCOME = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nServer: x\r\n\r\n"
DEAD = " gives no proper answer: SSTP is dead behind a good handshake: "
PATIENCE = 10.0


def packet(kind: int, *, length: int = 8, control: int = 1, version: int = 0x10) -> bytes:
    return struct.pack(">BBHHH", version, control, length, kind, 0)


NAK = bytes.fromhex("10010016 0003 0001 0002 000e 000000 01 00000004 0000")
"""As accel-ppp sends it."""


@pytest.fixture
def material(tmp_path):
    return Maker(tmp_path).make("vpn.example.test")


def answering(*answers: bytes):
    """Return a handler that gives the first answer to the HTTP request, and the others to the call, octet by octet."""

    def handle(stream) -> None:
        stream.recv(4096)
        for number, answer in enumerate(answers):
            if number == 1:
                stream.recv(4096)
            for octet in answer:
                stream.sendall(bytes([octet]))

    return handle


def look(material, *answers: bytes, name: str = "vpn.example.test", seconds: float = PATIENCE, then=None):
    with listening(securing(material.context, then or answering(*answers))) as running:
        endpoint = Endpoint(port=running.port, server_name=name, probe=SSTPProbe())
        expected = Expected(material.fingerprints, 1)
        served = SSTPProbe().look(endpoint, time.monotonic() + seconds, expected)
        return mismatch(endpoint, served, expected)


def said(material, *answers: bytes, **options) -> str:
    with pytest.raises(ProbeFailed) as caught:
        look(material, *answers, **options)
    problem = caught.value.problem
    assert not caught.value.dead
    assert problem.where.endswith("(vpn.example.test)")
    assert problem.fix == "Look at the service's log, then: chainwright renew"
    assert problem.cause.startswith(problem.where + DEAD)
    return problem.cause.removeprefix(problem.where + DEAD)


@pytest.mark.parametrize("answer", [NAK, packet(7), NAK + packet(7), packet(7) + b"rest"])
def test_a_refused_call_shows_that_sstp_is_alive(material, answer):
    assert look(material, WELCOME, answer) is None


def test_an_answer_that_comes_with_the_welcome_is_read_too(material):
    assert look(material, WELCOME + NAK) is None


def test_another_chain_is_for_the_core_to_judge(material, tmp_path):
    with listening(securing(material.context, answering(WELCOME, NAK))) as running:
        endpoint = Endpoint(port=running.port, server_name="vpn.example.test", probe=SSTPProbe())
        expected = Expected(("0" * 64,), 1)
        problem = mismatch(endpoint, SSTPProbe().look(endpoint, time.monotonic() + PATIENCE, expected), expected)
    found, wanted = material.fingerprints[0][:12], "0" * 12
    assert problem.problem.cause == f"{endpoint} serves the chain {found} instead of {wanted}."


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", 'SSTP_DUPLEX_POST was answered with "HTTP/1.1 404 Not Found".'),
        (b"HTTP/1.1 2000\r\n\r\n", 'SSTP_DUPLEX_POST was answered with "HTTP/1.1 2000".'),
        (b'220 "mail"\x07\r\n\r\n', 'SSTP_DUPLEX_POST was answered with "220 ?mail??".'),
        (b"x" * 100 + b"\r\n\r\n", f'SSTP_DUPLEX_POST was answered with "{"x" * 80}...".'),
        (b"HTTP/1.1 200 OK\r\n", "the connection was closed instead of an answer to SSTP_DUPLEX_POST."),
        (b"", "the connection was closed instead of an answer to SSTP_DUPLEX_POST."),
        (b"y" * 9000, "SSTP_DUPLEX_POST was answered with what is not HTTP."),
    ],
)
def test_no_welcome_in_http_is_a_dead_sstp(material, answer, sentence):
    assert said(material, answer) == sentence


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "the connection was closed instead of an answer to the call."),
        (NAK[:7], "the connection was closed instead of an answer to the call."),
        (packet(5), "the call was answered with CALL_ABORT."),
        (packet(2), "the call was answered with CALL_CONNECT_ACK."),
        (packet(77), "the call was answered with a control packet of the unknown type 77."),
        (packet(3, length=4), "the call was answered with a control packet of 4 octets."),
        (packet(3, control=0), "the call was answered with data instead of a control packet."),
        (packet(3, version=0x20), "the call was answered with what is not SSTP."),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the call was answered with what is not SSTP."),
    ],
)
def test_an_unfitting_answer_to_a_call_is_a_dead_sstp(material, answer, sentence):
    assert said(material, WELCOME, answer) == sentence


@pytest.mark.parametrize(("answers", "what"), [((), "SSTP_DUPLEX_POST"), ((WELCOME,), "the call")])
def test_a_server_that_says_nothing_is_a_dead_sstp(material, answers, what):
    given_up = threading.Event()

    def hang(stream) -> None:
        answering(*answers)(stream)
        given_up.wait(PATIENCE)

    with listening(securing(material.context, hang)) as running:
        endpoint = Endpoint(port=running.port, server_name="vpn.example.test")
        with pytest.raises(ProbeFailed) as caught:
            SSTPProbe().look(endpoint, time.monotonic() + 0.5, Expected((), 1))
        given_up.set()
    assert caught.value.problem.cause == f"{endpoint}{DEAD}{what} got no answer in time."


def test_a_server_without_tls_is_told_apart_from_a_dead_sstp():
    with listening(lambda plain: plain.sendall(b"SSH-2.0-x\r\n")) as running, pytest.raises(ProbeFailed) as caught:
        SSTPProbe().look(Endpoint(port=running.port), time.monotonic() + PATIENCE, Expected((), 1))
    assert caught.value.problem.cause == f"127.0.0.1:{running.port} gives no proper answer: what answers is not TLS."


# The octets


def test_what_is_sent_is_what_the_specification_says():
    assert request("vpn.example.test") == (
        b"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"
        b"Host: vpn.example.test\r\nContent-Length: 18446744073709551615\r\n\r\n"
    )
    assert b"\r\nHost: [::1]\r\n" in request("::1")
    call = bytes.fromhex("1001000e 0001 0001 0001 0006 0063")
    assert impossible_call() == call + bytes.fromhex("10010008 0006 0000")


@given(st.binary(max_size=64))
def test_whatever_a_server_sends_is_a_message_or_not_sstp_or_not_all_there(octets):
    found: Message | None = None
    with suppress(NotSSTP):
        found = read_message(octets)
        if found is None:
            assert len(octets) < 4 or len(octets) < struct.unpack(">H", octets[2:4])[0] & 0x0FFF
    assert found is None or isinstance(found, Message)


@given(st.sampled_from(Message), st.binary(max_size=40), st.binary(max_size=20), st.integers(0, 15))
def test_a_message_is_read_whatever_stands_in_reserved_bits_and_however_it_arrives(kind, attributes, rest, reserved):
    length = 8 + len(attributes)
    octets = struct.pack(">BBHHH", 0x10, 0xFE | 1, reserved << 12 | length, kind, 1) + attributes
    assert read_message(octets + rest) is kind
    assert {read_message(octets[:cut]) for cut in range(len(octets))} == {None}


@given(st.binary(max_size=200))
def test_only_a_200_of_http_is_a_welcome(octets):
    line = first_line(octets)
    begins = line[:12] in {b"HTTP/1.1 200", b"HTTP/1.0 200"} and line[12:13] in {b"", b" "}
    assert is_welcome(octets) == (begins and b"\n" not in line and b"\r" not in line)
