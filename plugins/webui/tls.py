"""TLS contexts of the web interface: one for the listener, fresh ones for each generation."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plugins.webui.errors import CertificateRefused, KeyUnusable, ServerKeyMismatch

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and AEAD only (RFC 9325 section 4.2); TLS 1.3 has no others."""
_MISMATCH = {"KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
"""The second is OpenSSL's word for a key of another type than the certificate's."""


@dataclass(frozen=True, slots=True)
class SlotChain:
    """The chain of one slot in one generation, without its key."""

    generation: int
    slot: str
    certificates: bytes
    """Leaf first, PEM."""
    instead_of: str = ""
    """The slot whose own chain could not be used, so that this one stands in for it."""
    refused: str = ""
    """Why not."""


class SlotContext(ssl.SSLContext):
    """A context that knows what it serves: a connection keeps it, also when the next generation is in service."""

    chain: SlotChain


def slot_context(chain: SlotChain, certificate: Path, key: Path) -> SlotContext:
    """Return a context that serves `certificate` (PEM, leaf first) with `key` (PEM, not encrypted).

    Raises: `CertificateRefused`, `KeyUnusable`, `ServerKeyMismatch`.
    """
    context = SlotContext(ssl.PROTOCOL_TLS_SERVER)
    _configure(context)
    context.chain = chain
    _require_certificates(chain.certificates, certificate)
    try:
        # An empty password, for OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        raise _refusal(error.reason, certificate, key) from error
    return context


def listener_context(choose: Callable[[str | None], SlotContext]) -> ssl.SSLContext:
    """Return the context that stays with the listener: it has no chain and asks `choose` at each handshake.

    `choose` gets the SNI value or None and must not raise. Nothing is ever loaded into this context: a failed load
    would break each handshake from then on.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _configure(context)

    def swap(connection: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        connection.context = choose(server_name)

    context.sni_callback = swap
    return context


def _configure(context: ssl.SSLContext) -> None:
    """Set what must be alike in both contexts: OpenSSL takes some of it from the first and some from the second."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # No tickets: who resumes a session goes on believing in the old chain after a swap. For TLS 1.2 clients that keep
    # session IDs the ssl module has no such switch; the agent's probes never resume.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0


def _require_certificates(pem: bytes, path: Path) -> None:
    """Parse alone what `load_cert_chain` parses with the key, whose error would not tell which of them is bad."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=pem.decode("ascii"))
    except (ValueError, ssl.SSLError) as error:
        raise CertificateRefused(path, "it holds no readable PEM certificate") from error


def _refusal(reason: str | None, certificate: Path, key: Path) -> CertificateRefused | KeyUnusable | ServerKeyMismatch:
    if reason in _MISMATCH:
        return ServerKeyMismatch(key, certificate)
    if reason is None:  # "PEM lib": the certificates have been parsed already, so it is the key
        return KeyUnusable(key)
    return CertificateRefused(certificate, reason.replace("_", " ").lower())
