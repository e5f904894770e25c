"""TLS-ALPN-01: certificates that prove names, presented by the agent's own listener or behind a server in front."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from agent.errors.challenges import NothingProves
from agent.sources.acme.alpn_responder import IDENTIFIER, PROTOCOL, AlpnResponder, answer_for, server_name_of
from agent.sources.acme.bounded_server import ServerLimits, listen
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.tls_alpn01 import SOCKET, AlpnAnswers
from support.fuzz import fuzzed
from support.ports import free_port
from support.servers.local import Maker, listening, securing
from support.waiting import until

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
AUTHORIZATION = "token.thumbprint"
NAME = "a.example.com"
LOCAL = ("127.0.0.1",)


def alpn(directory: Path, port: int = 0, **options) -> AlpnAnswers:
    options = {"addresses": lambda: LOCAL, "hosts": LOCAL, **options}
    return AlpnAnswers(directory, lambda: NOW, port=port or free_port(), **options)


def shaken(
    stream: socket.socket, server_name: str, protocols: tuple[str, ...] = (PROTOCOL,)
) -> tuple[bytes, str | None]:
    """Return certificate and protocol that a client gets. Raises SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(protocols)
    with context.wrap_socket(stream, server_hostname=server_name or None) as tls:
        return tls.getpeercert(binary_form=True) or b"", tls.selected_alpn_protocol()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[AlpnAnswers]:
    """Nobody else has the port."""
    answers = alpn(tmp_path)
    with answers.serving():
        assert answers.prepare([NAME]) == {}
        yield answers


def port_of(answers: AlpnAnswers) -> int:
    return answers._port


# What is presented


@pytest.mark.parametrize(
    ("name", "kind", "server_name"),
    [
        (NAME, x509.DNSName, NAME),
        ("192.0.2.1", x509.IPAddress, "1.2.0.192.in-addr.arpa"),
        ("2001:db8::1", x509.IPAddress, f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa"),
    ],
)
def test_a_certificate_has_the_one_name_and_the_digest_as_a_critical_extension(name, kind, server_name):
    made, pem = answer_for(name, AUTHORIZATION, NOW)
    certificate = x509.load_der_x509_certificate(made)
    (only,) = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert isinstance(only, kind)
    assert str(only.value) == name
    proof = certificate.extensions.get_extension_for_oid(IDENTIFIER)
    assert proof.critical
    assert proof.value.value == b"\x04\x20" + hashlib.sha256(AUTHORIZATION.encode()).digest()
    assert b"PRIVATE KEY" in pem
    assert server_name_of(name) == server_name


def test_who_offers_the_protocol_gets_the_certificate_of_the_name_and_others_are_refused(answering):
    made = answering.present(NAME, AUTHORIZATION)
    address = answering.present("192.0.2.1", AUTHORIZATION)
    port = port_of(answering)
    assert shaken(connect(port), NAME.upper()) == (made, PROTOCOL)
    assert shaken(connect(port), "1.2.0.192.in-addr.arpa") == (address, PROTOCOL)
    for unknown in ("b.example.com", "", "a" * 63):
        with pytest.raises(ssl.SSLError, match=r"UNRECOGNIZED_NAME|unrecognized name"):
            shaken(connect(port), unknown)
    answering.clean_up(NAME)
    with pytest.raises(ssl.SSLError):
        shaken(connect(port), NAME)


def test_only_the_certificates_of_this_moment_are_on_the_disk_and_nobody_else_reads_them(answering):
    answering.present(NAME, AUTHORIZATION)
    assert {path.name for path in answering.directory.iterdir()} == {f"{NAME}.pem", "chainwright.invalid.pem"}
    assert answering.directory.stat().st_mode & 0o777 == 0o700
    assert (answering.directory / f"{NAME}.pem").stat().st_mode & 0o777 == 0o600


def test_a_client_that_says_too_much_or_nothing_costs_no_more_than_it_may(tmp_path):
    port = free_port()
    limits = ServerLimits(patience=0.3, clients=2)
    responder = AlpnResponder(listen(port, LOCAL), tmp_path, proxied=False, limits=limits).start()
    try:
        with connect(port) as silent, connect(port) as loud:
            loud.sendall(b"\x16\x03\x01\xff\xff" + b"\0" * 20)
            assert silent.recv(1) == b"", "it is dropped in time"
            while data := loud.recv(4096):
                assert data
    finally:
        responder.close()


@fuzzed(10, 10_000)
@given(st.binary(max_size=200))
def test_whatever_comes_the_next_client_is_answered(tmp_path_factory, data):
    answers = alpn(tmp_path_factory.mktemp("alpn"))
    with answers.serving():
        answers.prepare([NAME])
        with connect(port_of(answers)) as stream:
            stream.sendall(data)
        made = answers.present(NAME, AUTHORIZATION)
        assert shaken(connect(port_of(answers)), NAME) == (made, PROTOCOL)


# Who answers


def test_the_port_is_given_back_at_the_end(tmp_path):
    answers = alpn(tmp_path)
    with answers.serving():
        answers.prepare([NAME])
        connect(port_of(answers)).close()
    with pytest.raises(ConnectionRefusedError):
        connect(port_of(answers))
    assert not (tmp_path / SOCKET).exists()


def test_a_web_server_that_passes_nothing_on_is_said_with_the_setting_that_does(tmp_path):
    with listening(securing(Maker(tmp_path).make("other.test").context)) as there:
        answers = alpn(tmp_path, there.port)
        with answers.serving():
            assert answers.prepare([NAME]) == {
                NAME: f"what listens at port {there.port} of this machine does not pass acme-tls/1 on to the agent, as nginx "
                "does with tls_alpn = true in [services.nginx]"
            }


def test_a_port_that_is_none_of_this_machine_s_is_said(tmp_path):
    answers = alpn(tmp_path, hosts=["192.0.2.1"])
    with answers.serving():
        why = answers.prepare([NAME])[NAME]
    assert why == (
        f"nobody answers at port {port_of(answers)} of this machine, and it can't be opened (Cannot assign requested address)"
    )


def test_behind_a_server_in_front_a_line_of_the_proxy_protocol_comes_first(answering, tmp_path):
    made = answering.present(NAME, AUTHORIZATION)

    def behind(preface: bytes) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(20)
        stream.connect(str(tmp_path / SOCKET))
        stream.sendall(preface)
        return stream

    line = b"PROXY TCP6 2001:db8::1 2001:db8::2 40000 443\r\n"
    assert shaken(behind(line), NAME) == (made, PROTOCOL)
    with behind(line[:20]) as slow:
        slow.sendall(line[20:])
        assert shaken(slow, NAME) == (made, PROTOCOL)
    for wrong in (b"GET / HTTP/1.1\r\n", b"P" * 200, b"PROXY " + b"x" * 200):
        with behind(wrong) as stream:
            assert stream.recv(1) == b""


def test_a_second_process_answers_for_what_the_first_one_presents_and_takes_over(tmp_path):
    first = alpn(tmp_path)
    second = alpn(tmp_path, port_of(first))
    with second.serving():
        with first.serving():
            assert first.prepare([NAME]) == {}
            assert second.prepare(["b.example.com"]) == {}
            made = first.present(NAME, AUTHORIZATION)
            assert {shaken(connect(port_of(first)), NAME)[0] for _ in range(20)} == {made}
        theirs = second.present("b.example.com", AUTHORIZATION)
        assert shaken(connect(port_of(first)), "b.example.com")[0] == theirs


def test_what_a_killed_process_left_is_swept(tmp_path):
    answers = alpn(tmp_path)
    with answers.serving():
        answers.present(NAME, AUTHORIZATION)
    old = time.time() - 100_000
    left = answers.directory / f"{NAME}.pem"

    os.utime(left, (old, old))
    with answers.serving():
        until(lambda: not left.exists())


def test_a_socket_that_a_killed_process_has_not_put_in_its_place_is_removed(tmp_path):
    left, begun = tmp_path / ".0123abcd.sock", tmp_path / ".4567cdef.sock"
    for path in (left, begun):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
            killed.bind(str(path))
    os.utime(left, (0, 0))
    with alpn(tmp_path).serving():
        assert not left.exists()
        assert begun.exists()  # of a process that may be about to put it there


def test_what_cannot_be_swept_does_not_keep_the_socket_closed(tmp_path):
    answers = alpn(tmp_path)
    left = answers.directory / "left"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    with answers.serving():
        assert (tmp_path / SOCKET).is_socket()


# At a CA

BY_ALPN = {"challenges": [ChallengeType.TLS_ALPN_01]}


def test_pebble_issues_for_names_and_leaves_nothing_behind(at, pebble):
    orderer = at(pebble, **BY_ALPN)
    chain = orderer.order("one.alpn.dev", "two.alpn.dev")
    assert set(chain.names) == {"one.alpn.dev", "two.alpn.dev"}
    assert [path.name for path in orderer.ca_context.alpn.directory.glob("*.alpn.dev.pem")] == []
    with pytest.raises(ConnectionRefusedError):
        connect(pebble.tls_port)


def test_an_address_is_proved_by_its_reverse_name(at, pebble):
    chain = at(pebble, **BY_ALPN, addresses=True).order("127.0.0.1")
    assert chain.names == ("127.0.0.1",)


def test_the_old_pebble_issues_too(at, old_pebble):
    assert at(old_pebble, **BY_ALPN).order("old.alpn.dev").names == ("old.alpn.dev",)


def test_where_http_is_somebody_elses_the_port_for_tls_does(at, pebble_with):
    ca = pebble_with()
    with listening(lambda stream: stream.close(), port=ca.http_port):
        both = [ChallengeType.HTTP_01, ChallengeType.TLS_ALPN_01]
        assert at(ca, challenges=both).order("both.alpn.dev").names == ("both.alpn.dev",)


def test_a_wildcard_is_not_tried(at, pebble):
    with pytest.raises(NothingProves, match="tls-alpn-01: a certificate at port 443 proves no wildcard"):
        at(pebble, **BY_ALPN).order("*.alpn.dev")
