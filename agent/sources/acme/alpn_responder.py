"""Answers to TLS-ALPN-01 challenges (RFC 8737): certificates, and the TLS server that presents them."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from agent.sources.acme.bounded_server import DEFAULT_LIMITS, BoundedServer, ServerLimits
from agent.system.names import is_address

PROTOCOL = "acme-tls/1"
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
"""acmeIdentifier."""
OCTET_STRING = b"\x04\x20"
"""DER: of 32 octets."""
SERVER_NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,252}")
MOST_OCTETS = 32 * 1024
"""Of one client."""
CHUNK = 8192
LONGEST_PREFACE = 107
"""Octets of the line of the PROXY protocol, version 1, with its end."""


def server_name_of(name: str) -> str:
    """Return what a CA sends as SNI: of an address it is the reverse name (RFC 8738 section 6)."""
    return ip_address(name).reverse_pointer if is_address(name) else name


def answer_for(name: str, key_authorization: str, now: datetime) -> tuple[bytes, bytes]:
    """Return the certificate that proves a name, DER, and with its key in one PEM text."""
    key = ec.generate_private_key(ec.SECP256R1())
    title = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ACME challenge")])
    identity = x509.IPAddress(ip_address(name)) if is_address(name) else x509.DNSName(name)
    digest = hashlib.sha256(key_authorization.encode("ascii")).digest()
    builder = x509.CertificateBuilder(title, title, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=7))
    builder = builder.add_extension(x509.SubjectAlternativeName([identity]), critical=False)
    builder = builder.add_extension(x509.UnrecognizedExtension(IDENTIFIER, OCTET_STRING + digest), critical=True)
    made = builder.sign(key, hashes.SHA256())
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.DER), sealed + made.public_bytes(Encoding.PEM)


class AlpnResponder(BoundedServer):
    """Presents the certificates of a directory, ``SNI.pem`` each, until it's closed."""

    def __init__(
        self, listener: socket.socket, directory: Path, *, proxied: bool, limits: ServerLimits = DEFAULT_LIMITS
    ) -> None:
        """`proxied`: each connection begins with a line of the PROXY protocol."""
        context = _context(directory)
        super().__init__(listener, lambda stream: _Client(stream, context, proxied=proxied), "tls-alpn-01", limits)


def _context(directory: Path) -> ssl.SSLContext:
    """Return one that has no certificate itself: which name a client wants decides."""

    def choose(stream: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        wanted = (name or "").lower()
        if not SERVER_NAME.fullmatch(wanted):
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        try:
            stream.context = _presenting(directory / f"{wanted}.pem")
        except OSError:  # there is none, or it went away
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        return None

    context = _server()
    context.sni_callback = choose
    return context


def _presenting(path: Path) -> ssl.SSLContext:
    context = _server()
    context.load_cert_chain(path)
    return context


def _server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([PROTOCOL])
    context.num_tickets = 0
    return context


class _Client:
    """A connection: nothing but its handshake matters."""

    def __init__(self, stream: socket.socket, context: ssl.SSLContext, *, proxied: bool) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._preface: bytes | None = b"" if proxied else None
        """What has come of the line before the handshake; None: it is over."""
        self._left = MOST_OCTETS
        self._done = False

    def advance(self) -> bool:
        """Go on with the handshake; False when there is nothing more to do. Raises OSError."""
        data = self._stream.recv(CHUNK)
        self._left -= len(data)
        if not data or self._left < 0:
            return False
        if self._done:  # what follows is thrown away: closing over it would take the end of the handshake away
            return True
        if self._preface is not None:
            line, end, data = (self._preface + data).partition(b"\r\n")
            self._preface = None if end else line
            if len(line) > LONGEST_PREFACE or not b"PROXY ".startswith(line[:6]):
                return False
        self._incoming.write(data)
        return self._shake_hands()

    def _shake_hands(self) -> bool:
        with self._sending():
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                return True
            except ssl.SSLError:
                return False
            with self._ending():
                self._tls.unwrap()
        self._stream.shutdown(socket.SHUT_WR)
        self._done = True
        return True

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Send what the handshake has to say, an alert too: a few kilobytes, which the kernel takes at once."""
        yield
        if self._outgoing.pending:
            self._stream.send(self._outgoing.read())

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """Say that no more will come, without waiting for the same from the other side."""
        try:
            yield
        except ssl.SSLError:
            return
