"""STARTTLS of PostgreSQL, MySQL and LDAP: packets before the handshake."""

from __future__ import annotations

import struct

from agent.probing.plain_stream import LONGEST, PlainStream, shown

SSL_REQUEST = struct.pack(">II", 8, 80877103)
"""PostgreSQL's SSLRequest: its length, and a number in place of a protocol's version."""
CLIENT_SSL = 0x0800
CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION = 0x0200, 0x8000
"""Capabilities of a MySQL client: the protocol since 4.1, and its way of telling a password."""
UTF8 = 33
"""MySQL's number of a character set."""
LARGEST_PACKET = 1 << 24
LDAP_START_TLS = b"1.3.6.1.4.1.1466.20037"
"""OID of the extended operation (RFC 4511 section 4.14)."""
LDAP_RESULTS = {
    1: "operationsError",
    2: "protocolError",
    8: "strongerAuthRequired",
    10: "referral",
    13: "confidentialityRequired",
    51: "busy",
    52: "unavailable",
    53: "unwillingToPerform",
    80: "other",
}
"""Names of the results with which TLS may be refused (RFC 4511 section 4.1.9)."""
SEQUENCE, EXTENDED_REQUEST, EXTENDED_RESPONSE, ENUMERATED = 0x30, 0x77, 0x78, 0x0A
INTEGER, REQUEST_NAME = 0x02, 0x80
"""Tags of LDAP's messages."""


def begin_postgres(plain: PlainStream) -> None:
    """Send an SSLRequest (PostgreSQL, "Message Flow", SSL session encryption): the answer is one octet, or an error."""
    plain.write(SSL_REQUEST)
    answer = plain.read(1)
    if answer == b"N":
        plain.fail('the SSLRequest was answered with "N": TLS is off')
    if answer == b"E":
        plain.fail(f'the SSLRequest was answered with "{shown(_postgres_error(plain))}"')
    if answer != b"S":
        plain.fail(f'the SSLRequest was answered with "{shown(answer.decode("latin-1"))}", which is not PostgreSQL')


def _postgres_error(plain: PlainStream) -> str:
    """Return the message of an ErrorResponse: fields that begin with a letter and end with a zero."""
    length = int.from_bytes(plain.read(4), "big")
    fields = plain.read(min(max(length - 4, 0), LONGEST)).split(b"\0")
    message = next((each[1:] for each in fields if each.startswith(b"M")), b"no message")
    return message.decode("utf-8", "replace")


def begin_mysql(plain: PlainStream) -> None:
    """Wait for the greeting and answer with an SSLRequest (MySQL's protocol, "Connection Phase"); it has no answer."""
    greeting = _mysql_packet(plain)
    if greeting[:1] == b"\xff":
        plain.fail(f'the service greets with "{shown(_mysql_error(greeting))}"')
    if greeting[:1] != b"\x0a":
        plain.fail("what answers is not MySQL's protocol 10")
    version, _, rest = greeting[1:].partition(b"\0")
    if not int.from_bytes(rest[13:15], "little") & CLIENT_SSL:  # after the connection's number and a part of the salt
        plain.fail(f'the service, "{shown(version.decode("utf-8", "replace"))}", doesn\'t offer TLS')
    capabilities = CLIENT_SSL | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION
    request = struct.pack("<IIB23x", capabilities, LARGEST_PACKET, UTF8)
    plain.write(len(request).to_bytes(3, "little") + b"\x01" + request)


def _mysql_packet(plain: PlainStream) -> bytes:
    header = plain.read(4)
    length = int.from_bytes(header[:3], "little")
    if length > LONGEST or header[3]:
        plain.fail("what answers is not MySQL")
    return plain.read(length)


def _mysql_error(packet: bytes) -> str:
    """Return the text of an error: after its number, and a state that begins with ``#``."""
    text = packet[3:]
    return (text[6:] if text.startswith(b"#") else text).decode("utf-8", "replace")


def begin_ldap(plain: PlainStream) -> None:
    """Ask for the extended operation StartTLS (RFC 4511 section 4.14), and read the result."""
    operation = _element(EXTENDED_REQUEST, _element(REQUEST_NAME, LDAP_START_TLS))
    plain.write(_element(SEQUENCE, _element(INTEGER, b"\x01") + operation))
    _, _, rest = _first(_ldap_message(plain))
    kind, response, _ = _first(rest)
    sort, code, rest = _first(response)
    if kind != EXTENDED_RESPONSE or sort != ENUMERATED:
        plain.fail("StartTLS was answered with what is not its response")
    if result := int.from_bytes(code, "big"):
        _, _, rest = _first(rest)
        _, words, _ = _first(rest)
        name = f"{LDAP_RESULTS.get(result, 'result')} ({result})"
        said = f"{name}: {words.decode('utf-8', 'replace')}" if words else name
        plain.fail(f'StartTLS was answered with "{shown(said)}"')


def _ldap_message(plain: PlainStream) -> bytes:
    """Return what is in the next message."""
    tag, length = plain.read(2)
    if length & 0x80:
        length = int.from_bytes(plain.read(min(length & 0x7F, 4)), "big")
    if tag != SEQUENCE or length > LONGEST:
        plain.fail("StartTLS was answered with what is not LDAP")
    return plain.read(length)


def _element(tag: int, content: bytes) -> bytes:
    """Return an element of BER with a short length."""
    return bytes((tag, len(content))) + content


def _first(content: bytes) -> tuple[int, bytes, bytes]:
    """Return tag and content of the first element of `content`, and what follows it; what is cut short is empty."""
    if len(content) < 2:
        return 0, b"", b""
    tag, length, begin = content[0], content[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(content[2:begin], "big")
    return tag, content[begin : begin + length], content[begin + length :]
