"""STARTTLS as the protocols' own documents have it; what real services say is in `test_starttls_of_real_services.py`."""

import time
from pathlib import Path

import pytest

from chainwright import Endpoint, Expected, PlainStream, ProbeFailed, Served, StartTLS, TLSProbe
from support.servers.local import Handler, Maker, Material, exchanging, listening, saying, securing

NAME = "gw.example.test"
SMTP = ["S: 220-mx.example.test", "S: 220 ESMTP", "C: EHLO [127.0.0.1]", "S: 250-mx", "S: 250 STARTTLS", "C: STARTTLS"]
IMAP = ["S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready", "C: a STARTTLS", "S: * CAPABILITY IMAP4rev1"]
POP3 = ["S: +OK ready <1@mx>", "C: STLS"]
FTP = ["S: 220-Welcome", "S: 331 apples", "S: 220 ready", "C: AUTH TLS"]
NNTP = ["S: 201 news", "C: STARTTLS"]
SIEVE = ['S: "IMPLEMENTATION" "toy"', 'S: "STARTTLS"', 'S: OK "ready"', "C: STARTTLS"]
POSTGRES = ("C", b"\0\0\0\x08\x04\xd2\x16\x2f")
LDAP = ("C", b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037")


def mysql_greeting(capabilities: int) -> bytes:
    """Return what MariaDB 10.11 greets with."""
    flags = capabilities.to_bytes(2, "little")
    rest = b"\x08\x02\0\xff\x81\x15" + bytes(6) + b"\x1d\0\0\0do$`;D&.R4K_\0mysql_native_password\0"
    text = b"\x0a5.5.5-10.11.18-MariaDB\0\x04\0\0\0Q3Lf;418\0" + flags + rest
    return len(text).to_bytes(3, "little") + b"\0" + text


MYSQL = [("S", mysql_greeting(0xFFFE)), ("C", b"\x20\0\0\x01\0\x8a\0\0\0\0\0\x01\x21" + bytes(23))]
HEADER = b"<?xml version='1.0'?><stream:stream xmlns='jabber:%s' xmlns:stream='http://etherx.jabber.org/streams' "
ANSWER = b"<?xml version='1.0'?><stream:stream from='gw.example.test' xmlns:stream='http://etherx.jabber.org/streams'>"
TLS = b"xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
FEATURES = b"<stream:features><starttls " + TLS + b"><required/></starttls></stream:features>"


def xmpp(kind: bytes, *answers: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    return [("C", HEADER % kind + b"to=\"gw.example.test\" version='1.0'>"), ("S", ANSWER), *answers]


def offered(kind: bytes, answer: bytes) -> list[tuple[str, bytes]]:
    return xmpp(kind, ("S", FEATURES), ("C", b"<starttls " + TLS + b"/>"), ("S", answer))


TALKS = {
    StartTLS.SMTP: [*SMTP, "S: 220 Go ahead"],
    StartTLS.IMAP: [*IMAP, "S: a OK Begin"],
    StartTLS.POP3: [*POP3, "S: +OK Begin"],
    StartTLS.FTP: [*FTP, "S: 234 AUTH TLS OK"],
    StartTLS.NNTP: [*NNTP, "S: 382 Continue"],
    StartTLS.SIEVE: [*SIEVE, "S: OK"],
    StartTLS.POSTGRES: [POSTGRES, ("S", b"S")],
    StartTLS.LDAP: [LDAP, ("S", b"\x30\x84\0\0\0\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0")],
    StartTLS.MYSQL: MYSQL,
    StartTLS.XMPP: offered(b"client", b"<proceed " + TLS + b"/>"),
    StartTLS.XMPP_SERVER: offered(b"server", b"<proceed " + TLS + b"></proceed>"),
}


def handler(script: list, then: Handler) -> Handler:
    return saying(*script, then=then) if isinstance(script[0], str) else exchanging(*script, then=then)


def look(endpoint: Endpoint, probe: TLSProbe | None = None) -> Served:
    return (probe or TLSProbe()).look(endpoint, time.monotonic() + 10, Expected(fingerprints=(), generation=0))


def reason(endpoint: Endpoint, probe: TLSProbe | None = None) -> str:
    with pytest.raises(ProbeFailed) as caught:
        look(endpoint, probe)
    return caught.value.problem.cause.partition(" gives no proper answer: ")[2]


@pytest.fixture
def material(tmp_path: Path) -> Material:
    return Maker(tmp_path).make()


@pytest.mark.parametrize("protocol", StartTLS)
def test_a_connection_that_begins_in_the_clear_is_secured_and_seen(protocol: StartTLS, material):
    with listening(handler(TALKS[protocol], securing(material.context))) as server:
        assert (
            look(Endpoint(port=server.port, server_name=NAME, starttls=protocol)).fingerprints == material.fingerprints
        )
        assert (
            look(Endpoint(port=server.port, server_name=NAME), TLSProbe(starttls=protocol)).fingerprints
            == material.fingerprints
        )


LOCAL_PROBLEM = "454 4.7.0 TLS not available due to local problem"
BUSY = b"Sfatal\0C53300\0Mtoo many clients already\0\0"
BLOCKED = b"\xff\x69\x04Host '192.0.2.1' is not allowed to connect"
COUNTED = b"\xff\x10\x04#08004Too many connections"
UNAVAILABLE = b"\x30\x25\x02\x01\x01\x78\x20\x0a\x01\x34\x04\0\x04\x19TLS already/not available"
NOT_OFFERED = b"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></stream:features>"
UNKNOWN = b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
REFUSALS = [
    (StartTLS.SMTP, [*SMTP, f"S: {LOCAL_PROBLEM}"], f'STARTTLS was answered with "{LOCAL_PROBLEM}"'),
    (StartTLS.SMTP, ["S: 554-no", "S: 554 go away"], 'the service greets with "554 go away"'),
    (StartTLS.SMTP, [*SMTP[:3], "S: 502 what?"], 'EHLO was answered with "502 what?"'),
    (StartTLS.SMTP, ["S: 220-and so on"] * 200, "the service does not end its answer"),
    (StartTLS.IMAP, [*IMAP, "S: a BAD not enabled."], 'STARTTLS was answered with "a BAD not enabled."'),
    (StartTLS.IMAP, ["S: * BYE busy"], 'the service greets with "* BYE busy"'),
    (StartTLS.POP3, [*POP3, "S: -ERR \x1b[2Jno\x07"], 'STLS was answered with "-ERR ?[2Jno?"'),
    (StartTLS.POP3, ["S: -ERR " + "x" * 9000], f'the service greets with "-ERR {"x" * 195}..."'),
    (StartTLS.FTP, [*FTP, "S: 530 Please login"], 'AUTH TLS was answered with "530 Please login"'),
    (StartTLS.FTP, ["S: 421 Too many"], 'the service greets with "421 Too many"'),
    (StartTLS.NNTP, [*NNTP, "S: 580 Can not"], 'STARTTLS was answered with "580 Can not"'),
    (StartTLS.NNTP, ["S: 400 Idle"], 'the service greets with "400 Idle"'),
    (StartTLS.SIEVE, [*SIEVE, 'S: NO "no TLS"'], 'STARTTLS was answered with "NO "no TLS""'),
    (StartTLS.SIEVE, ["S: BYE"], 'the service greets with "BYE"'),
    (StartTLS.POSTGRES, [POSTGRES, ("S", b"N")], 'the SSLRequest was answered with "N": TLS is off'),
    (
        StartTLS.POSTGRES,
        [POSTGRES, ("S", b"E" + (4 + len(BUSY)).to_bytes(4, "big") + BUSY)],
        'the SSLRequest was answered with "too many clients already"',
    ),
    (StartTLS.POSTGRES, [POSTGRES, ("S", b"H")], 'the SSLRequest was answered with "H", which is not PostgreSQL'),
    (StartTLS.MYSQL, [("S", mysql_greeting(0xF7FE))], 'the service, "5.5.5-10.11.18-MariaDB", doesn\'t offer TLS'),
    (
        StartTLS.MYSQL,
        [("S", len(BLOCKED).to_bytes(3, "little") + b"\0" + BLOCKED)],
        "the service greets with \"Host '192.0.2.1' is not allowed to connect\"",
    ),
    (
        StartTLS.MYSQL,
        [("S", len(COUNTED).to_bytes(3, "little") + b"\0" + COUNTED)],
        'the service greets with "Too many connections"',
    ),
    (StartTLS.MYSQL, [("S", b"\x01\0\0\0\x09")], "what answers is not MySQL's protocol 10"),
    (StartTLS.MYSQL, [("S", b"220 mx.example.test ESMTP\r\n")], "what answers is not MySQL"),
    (
        StartTLS.LDAP,
        [LDAP, ("S", UNAVAILABLE)],
        'StartTLS was answered with "unavailable (52): TLS already/not available"',
    ),
    (StartTLS.LDAP, [LDAP, ("S", b"220 m")], "StartTLS was answered with what is not LDAP"),
    (StartTLS.LDAP, [LDAP, ("S", b"\x30\x84\x7f\0\0\0")], "StartTLS was answered with what is not LDAP"),
    (
        StartTLS.LDAP,
        [LDAP, ("S", b"\x30\x05\x02\x01\x01\x61\0")],
        "StartTLS was answered with what is not its response",
    ),
    (
        StartTLS.LDAP,
        [LDAP, ("S", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\0\x04\0")],
        'StartTLS was answered with "protocolError (2)"',
    ),
    (
        StartTLS.XMPP,
        xmpp(b"client", ("S", NOT_OFFERED)),
        'the service offers no STARTTLS for gw.example.test, only "<stream:features><mechanisms/></stream:features>"',
    ),
    (
        StartTLS.XMPP,
        xmpp(b"client", ("S", UNKNOWN)),
        'the stream was answered with "<stream:error><host-unknown/></stream:error>"',
    ),
    (StartTLS.XMPP, offered(b"client", b"<failure " + TLS + b"/>"), 'STARTTLS was answered with "<failure/>"'),
    (
        StartTLS.XMPP_SERVER,
        offered(b"server", b"</stream:stream>"),
        'STARTTLS was answered with "the stream\'s end"',
    ),
    (StartTLS.XMPP, xmpp(b"client", ("S", b"<a/>" * 600)), "the service does not end its answer"),
]


@pytest.mark.parametrize(("protocol", "script", "expected"), REFUSALS)
def test_a_refused_starttls_is_told_in_the_services_own_words(protocol, script, expected):
    with listening(handler(script, lambda connection: connection.recv(100))) as server:
        assert reason(Endpoint(port=server.port, server_name=NAME, starttls=protocol)) == f"{expected}."


@pytest.mark.parametrize("protocol", StartTLS)
def test_a_service_that_hangs_up_before_starttls_is_told(protocol: StartTLS):
    with listening(handler(TALKS[protocol][:1], lambda connection: None)) as server:
        assert reason(Endpoint(port=server.port, server_name=NAME, starttls=protocol)).endswith(
            "the service closed the connection."
        )


# A step of one's own


class Knock(TLSProbe):
    """Says a line, and hears a word and a line."""

    def before(self, plain: PlainStream, endpoint: Endpoint) -> None:
        assert plain.deadline > time.monotonic()
        plain.write(f"knock {endpoint.server_name}\r\n".encode())
        if plain.read(2) != b"ok" or (line := plain.read_line()) != " come in":
            plain.fail(f'the knock was answered with "{line}"')
        super().before(plain, endpoint)


def test_a_probe_has_a_step_of_its_own_before_the_handshake(material):
    knock = ["C: knock gw.example.test", "S: ok come in"]
    with listening(saying(*knock, then=securing(material.context))) as server:
        assert look(Endpoint(port=server.port, server_name=NAME), Knock()).fingerprints == material.fingerprints
    with listening(saying(*knock, *TALKS[StartTLS.SMTP], then=securing(material.context))) as server:
        endpoint = Endpoint(port=server.port, server_name=NAME, starttls=StartTLS.SMTP)
        assert look(endpoint, Knock()).fingerprints == material.fingerprints


def test_a_step_that_refuses_or_hears_nothing_is_told():
    with listening(saying("C: knock gw.example.test", "S: ok later")) as server:
        assert reason(Endpoint(port=server.port, server_name=NAME), Knock()) == 'the knock was answered with " later".'
    with listening(saying("C: knock gw.example.test")) as server:
        assert reason(Endpoint(port=server.port, server_name=NAME), Knock()) == "the service closed the connection."


def test_what_any_client_sees_is_told_from_what_takes_a_step_of_ones_own():
    assert TLSProbe().is_plain
    assert not Knock().is_plain
    assert not TLSProbe(starttls=StartTLS.FTP).is_plain
