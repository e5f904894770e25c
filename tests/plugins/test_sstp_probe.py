"""Looking at SSTP: what a server can get wrong behind a good handshake, each with its whole message."""

import os
import struct
import subprocess
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.probing.probe import mismatch
from chainwright import Endpoint, Expected, ProbeFailed
from plugins.sstp.packets import (
    LinkCode,
    Message,
    NotSSTP,
    call,
    configure_request,
    first_line,
    hang_up,
    is_welcome,
    link_code,
    read_packet,
    request,
)
from plugins.sstp.probe import SSTPProbe
from plugins.sstp.sessions import Room
from support.servers.local import Maker, listening, securing

WELCOME = b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\nServer: x\r\n\r\n"
DEAD = " gives no proper answer: SSTP is dead behind a good handshake: "
PATIENCE = 10.0


def packet(kind: int, *, length: int = 8, control: int = 1, version: int = 0x10) -> bytes:
    return struct.pack(">BBHHH", version, control, length, kind, 0)


def frame(content: str) -> bytes:
    octets = bytes.fromhex(content)
    return struct.pack(">BBH", 0x10, 0, 4 + len(octets)) + octets


ACK = bytes.fromhex("10010030 0002 0001 0004 0028 000000 03") + bytes(32)
"""As both servers send it, but for the nonce."""
TAKEN, ADVISED, REJECTED = (frame(f"ff03 c021 0{code} 01 0004") for code in (2, 3, 4))
BEGUN = frame("ff03 c021 01 09 000a 0506 01020304")
"""The server's own request."""


@pytest.fixture
def material(tmp_path):
    return Maker(tmp_path).make("vpn.example.test")


def answering(*answers: bytes):
    """Return a handler that gives an answer to the HTTP request, one to the call and one to the frame, octet by octet."""

    def handle(stream) -> None:
        stream.recv(4096)
        for number, answer in enumerate(answers):
            if number:
                stream.recv(4096)
            for octet in answer:
                stream.sendall(bytes([octet]))

    return handle


def staying(*answers: bytes):
    """Return a handler that gives these answers, and is there until the client goes."""

    def handle(stream) -> None:
        answering(*answers)(stream)
        while stream.recv(4096):
            pass

    return handle


def look(material, *answers: bytes, name: str = "vpn.example.test", seconds: float = PATIENCE, then=None, room=None):
    probe = SSTPProbe(room=room)
    with listening(securing(material.context, then or answering(*answers))) as running:
        endpoint = Endpoint(port=running.port, server_name=name, probe=probe)
        expected = Expected(fingerprints=material.fingerprints, generation=1)
        served = probe.look(endpoint, time.monotonic() + seconds, expected)
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


@pytest.mark.parametrize("answer", [TAKEN, ADVISED, REJECTED, BEGUN + TAKEN, packet(8) + TAKEN, TAKEN + b"rest"])
def test_an_answer_of_ppp_shows_that_frames_get_through(material, answer):
    assert look(material, WELCOME, ACK, answer) is None


def test_answers_that_come_together_are_read_one_by_one(material):
    assert look(material, then=staying(WELCOME + ACK + BEGUN + TAKEN)) is None


def test_the_request_is_sent_again_until_it_is_answered(material):
    """As sstp-server throws away what comes before its pppd runs."""
    seen: list[bytes] = []

    def late(stream) -> None:
        answering(WELCOME, ACK)(stream)
        while len(b"".join(seen)) < 3 * len(configure_request()):
            seen.append(stream.recv(4096))
        stream.sendall(TAKEN)
        while octets := stream.recv(4096):
            seen.append(octets)

    assert look(material, then=late) is None
    assert b"".join(seen) == 3 * configure_request() + hang_up()


def test_the_request_is_sent_again_when_ppp_shows_that_it_has_begun(material):
    def begun(stream) -> None:
        answering(WELCOME, ACK)(stream)
        assert stream.recv(4096) == configure_request()
        stream.sendall(BEGUN)
        assert stream.recv(4096) == configure_request()
        stream.sendall(TAKEN)

    assert look(material, then=begun) is None


def test_another_chain_is_for_the_core_to_judge(material, tmp_path):
    with listening(securing(material.context, answering(WELCOME, ACK, TAKEN))) as running:
        endpoint = Endpoint(port=running.port, server_name="vpn.example.test", probe=SSTPProbe())
        expected = Expected(fingerprints=("0" * 64,), generation=1)
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
        (ACK[:7], "the connection was closed instead of an answer to the call."),
        (packet(5), "the call was answered with CALL_ABORT."),
        (packet(3), "the call was answered with CALL_CONNECT_NAK."),
        (TAKEN, "the call was answered with a frame of PPP."),
        (packet(77), "the call was answered with a control packet of the unknown type 77."),
        (packet(3, length=4), "the call was answered with a packet of 4 octets."),
        (packet(3, length=3, control=0), "the call was answered with a packet of 3 octets."),
        (packet(3, version=0x20), "the call was answered with what is not SSTP."),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the call was answered with what is not SSTP."),
    ],
)
def test_an_unfitting_answer_to_a_call_is_a_dead_sstp(material, answer, sentence):
    assert said(material, WELCOME, answer) == sentence


NO_PPP = (
    "PPP ended before it answered the LCP Configure-Request, as pppd does where /dev/ppp is missing (modprobe ppp_generic) or "
    "one of its options is wrong."
)
BROKEN_OFF = "the call was taken and then broken off: pppd can't be started, or no address is left for a client."


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "the connection was closed instead of an answer to the LCP Configure-Request."),
        (packet(5), BROKEN_OFF),
        (packet(6), NO_PPP),
        (packet(77), "the LCP Configure-Request was answered with a control packet of the unknown type 77."),
    ],
)
def test_a_call_in_which_no_frame_is_answered_is_a_dead_sstp(material, answer, sentence):
    assert said(material, WELCOME, ACK, answer) == sentence


@pytest.mark.parametrize(
    "frames", [b"", BEGUN, frame("ff03 c021 02 07 0004"), frame("ff03 8021 02 01 0004"), frame("ff03 c021"), frame("")]
)
def test_a_call_in_which_nothing_answers_our_frame_is_a_dead_sstp(material, frames):
    assert said(material, then=staying(WELCOME, ACK, frames), seconds=0.4) == (
        "the call was taken, and the LCP Configure-Request in it got no answer in time: no frame gets through."
    )


def test_a_call_that_is_broken_off_as_every_address_is_taken_is_none(material, tmp_path):
    """It is no reason to restart a server, which would disconnect all those who have them."""
    here = tmp_path / "pid"
    here.write_text(f"{os.getpid()}\n")
    with subprocess.Popen(["/bin/sh", "-c", "read _", "notty"], stdin=subprocess.PIPE):
        assert look(material, WELCOME, ACK, packet(5), room=Room("pid", str(here), 1)) is None
        assert said(material, WELCOME, ACK, packet(5), room=Room("pid", str(here), 2)) == BROKEN_OFF
    assert said(material, WELCOME, ACK, packet(5), room=Room("pid", str(tmp_path / "none"), 0)) == BROKEN_OFF


@pytest.mark.parametrize(("answers", "what"), [((), "SSTP_DUPLEX_POST"), ((WELCOME,), "the call")])
def test_a_server_that_says_nothing_is_a_dead_sstp(material, answers, what):
    given_up = threading.Event()

    def hang(stream) -> None:
        answering(*answers)(stream)
        given_up.wait(PATIENCE)

    with listening(securing(material.context, hang)) as running:
        endpoint = Endpoint(port=running.port, server_name="vpn.example.test")
        with pytest.raises(ProbeFailed) as caught:
            SSTPProbe().look(endpoint, time.monotonic() + 0.5, Expected(fingerprints=(), generation=1))
        given_up.set()
    assert caught.value.problem.cause == f"{endpoint}{DEAD}{what} got no answer in time."


def test_a_server_without_tls_is_told_apart_from_a_dead_sstp():
    with listening(lambda plain: plain.sendall(b"SSH-2.0-x\r\n")) as running, pytest.raises(ProbeFailed) as caught:
        SSTPProbe().look(
            Endpoint(port=running.port), time.monotonic() + PATIENCE, Expected(fingerprints=(), generation=1)
        )
    assert caught.value.problem.cause == f"127.0.0.1:{running.port} gives no proper answer: what answers is not TLS."


# The octets


def test_what_is_sent_is_what_the_specification_says():
    assert request("vpn.example.test") == (
        b"SSTP_DUPLEX_POST /sra_{BA195980-CD49-458b-9E23-C84EE0ADCD75}/ HTTP/1.1\r\n"
        b"Host: vpn.example.test\r\nContent-Length: 18446744073709551615\r\n\r\n"
    )
    assert b"\r\nHost: [::1]\r\n" in request("::1")
    assert call() == bytes.fromhex("1001000e 0001 0001 0001 0006 0001")
    assert configure_request() == bytes.fromhex("1000000c ff03 c021 01 01 0004")
    assert hang_up() == bytes.fromhex("10010008 0006 0000")


@given(st.binary(max_size=64))
def test_whatever_a_server_sends_is_a_packet_or_not_sstp_or_not_all_there(octets):
    with suppress(NotSSTP):
        found = read_packet(octets)
        if found is None:
            assert len(octets) < 4 or len(octets) < struct.unpack(">H", octets[2:4])[0] & 0x0FFF
        else:
            assert 4 <= found.length <= len(octets)
            assert found.message is None or isinstance(found.message, Message)


@given(st.sampled_from(Message), st.binary(max_size=40), st.binary(max_size=20), st.integers(0, 15))
def test_a_message_is_read_whatever_stands_in_reserved_bits_and_however_it_arrives(kind, attributes, rest, reserved):
    length = 8 + len(attributes)
    octets = struct.pack(">BBHHH", 0x10, 0xFE | 1, reserved << 12 | length, kind, 1) + attributes
    found = read_packet(octets + rest)
    assert found is not None
    assert (found.message, found.length) == (kind, length)
    assert {read_packet(octets[:cut]) for cut in range(len(octets))} == {None}


@given(st.binary(max_size=40), st.binary(max_size=20), st.integers(0, 15))
def test_a_frame_is_read_whatever_follows(content, rest, reserved):
    octets = struct.pack(">BBH", 0x10, 0, reserved << 12 | 4 + len(content)) + content
    found = read_packet(octets + rest)
    assert found is not None
    assert (found.message, found.frame) == (None, content)


@given(st.binary(max_size=16), st.booleans())
def test_only_an_answer_with_our_number_is_one(content, prefixed):
    octets = b"\xc0\x21" + content
    found = link_code(b"\xff\x03" + octets if prefixed else octets)
    if found in {LinkCode.CONFIGURE_ACK, LinkCode.CONFIGURE_NAK, LinkCode.CONFIGURE_REJECT}:
        assert (content[0], content[1]) == (found, 1)


@given(st.binary(max_size=200))
def test_only_a_200_of_http_is_a_welcome(octets):
    line = first_line(octets)
    begins = line[:12] in {b"HTTP/1.1 200", b"HTTP/1.0 200"} and line[12:13] in {b"", b" "}
    assert is_welcome(octets) == (begins and b"\n" not in line and b"\r" not in line)
