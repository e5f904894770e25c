"""Connections to services: TCP or UNIX socket, TLS, the certificates presented, and errors in plain words."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.contract.endpoint import Address, Endpoint
from agent.errors import ProbeFailed
from agent.probing.handshake import lenient_context
from agent.system.deadline import remaining
from agent.system.names import is_address

NOBODY_LISTENS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENOENT: "no such socket",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.EADDRNOTAVAIL: "no such address",
}
BROKEN_OFF = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN, errno.ECONNABORTED})
NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG"})
"""OpenSSL's reasons when the first octets are no TLS record."""
ALERT_PREFIXES = ("SSLV3_ALERT_", "TLSV1_ALERT_", "TLSV13_ALERT_", "TLSV1_", "TLSV13_")


def restricted_context(authentication: str) -> ssl.SSLContext:
    """Return a context that gets one of a service's two chains: ``aRSA`` or ``aECDSA``.

    Only up to TLS 1.2 does the cipher suite choose the certificate (RFC 8446 section 1.2).
    """
    context = lenient_context(f"ECDHE+{authentication}")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def translated(endpoint: Endpoint, deadline: float, what: str = "") -> Iterator[None]:
    """Raise `ProbeFailed` for whatever a socket raises. `what` goes before the reason."""
    allowed = deadline - time.monotonic()
    try:
        yield
    except OSError as error:
        dead = not what and error.errno in NOBODY_LISTENS and not isinstance(error, ssl.SSLError)
        raise ProbeFailed(str(endpoint), what + in_plain_words(error, allowed), dead=dead) from error


def in_plain_words(error: OSError, allowed: float) -> str:
    """Return why there was no answer, as a clause; `allowed` are the seconds that there were for it."""
    if isinstance(error, TimeoutError):
        return f"no answer within {max(allowed, 0):.1f} s"
    if isinstance(error, ssl.SSLError):
        return _handshake_reason(error)
    if isinstance(error, socket.gaierror):
        return f"its host can't be resolved ({error.strerror})"
    if error.errno in NOBODY_LISTENS:
        return f"nobody listens there ({NOBODY_LISTENS[error.errno]})"
    if error.errno in BROKEN_OFF:
        return "the service closed the connection"
    return error.strerror or str(error)


def _handshake_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the service closed the connection during the handshake"
    reason = error.reason or str(error)
    if reason in NOT_TLS:
        return "what answers is not TLS"
    for prefix in ALERT_PREFIXES:
        if reason.startswith(prefix):
            return f"the handshake failed: alert {reason.removeprefix(prefix).lower()}"
    return f"the handshake failed: {reason.replace('_', ' ').lower()}"


@contextmanager
def connected(address: Address, deadline: float) -> Iterator[socket.socket]:
    """Connect to a TCP address (IPv4, IPv6) or a UNIX socket."""
    with _dial_unix(address.path, deadline) if address.path else _dial_tcp(address, deadline) as plain:
        yield plain


def _dial_unix(path: Path, deadline: float) -> socket.socket:
    plain = socket.socket(socket.AF_UNIX)
    try:
        plain.settimeout(remaining(deadline))
        plain.connect(str(path))
    except OSError:
        plain.close()
        raise
    return plain


def _dial_tcp(address: Address, deadline: float) -> socket.socket:
    plain = socket.create_connection((address.host, address.port), remaining(deadline))
    try:
        # Where nobody listens on a port of the ephemeral range, a socket may meet itself (RFC 9293 section 3.5, figure 7).
        if plain.getsockname() == plain.getpeername():
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    except OSError:  # also where the peer has reset the connection already: then it has no name
        plain.close()
        raise
    return plain


@contextmanager
def secured(
    plain: socket.socket, context: ssl.SSLContext, server_name: str, deadline: float
) -> Iterator[ssl.SSLSocket]:
    """Make a full handshake. An address is never sent as SNI (RFC 6066 section 3)."""
    name = server_name if server_name and not is_address(server_name) else None
    with context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as stream:
        stream.settimeout(remaining(deadline))
        stream.do_handshake()
        stream.settimeout(remaining(deadline))
        yield stream


def read_generation(endpoint: Endpoint, path: Path, deadline: float) -> int:
    """Ask ``GET /generation`` over the UNIX socket at `path`: a number, or JSON with the key ``generation``.

    Raises `ProbeFailed`.
    """
    what = f"the generation can't be read from unix:{path}: "
    with translated(endpoint, deadline, what), connected(Address(path=path), deadline) as plain:
        answer = _get(plain, deadline)
    try:
        found = json.loads(answer)
        return _number(found["generation"] if isinstance(found, dict) else found)
    except (ValueError, KeyError) as error:
        shown = ascii(answer[:80].decode("utf-8", "replace"))
        raise ProbeFailed(str(endpoint), f"{what}the answer is {shown}") from error


def _number(value: object) -> int:
    if type(value) is not int:
        raise ValueError
    return value


def _get(plain: socket.socket, deadline: float) -> bytes:
    """Return the body of the answer to ``GET /generation``."""
    from agent.system.http_exchange import HTTPException, http_get

    try:
        answer = http_get(plain, "/generation", deadline)
    except HTTPException as error:
        raise OSError(f"the answer is not HTTP ({type(error).__name__})") from error
    if answer.status != 200:
        raise OSError(f"the answer is {answer.status} {answer.reason}")
    return answer.body
