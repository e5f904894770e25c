"""TLS as probes speak it, and what a service presents. Cheap to import."""

from __future__ import annotations

import hashlib
import ssl
import sys
from collections.abc import Iterable

from agent.system.tls import TlsSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def lenient_context(ciphers: str = "DEFAULT") -> ssl.SSLContext:
    """Return a context for probes, TLS 1.2 and 1.3, that accepts whatever a service presents.

    Security level 0, because a key that is too short for this system's policy must be reported, not refused.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = TlsSocket
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    return context


def fingerprints_of(certificates: Iterable[bytes]) -> tuple[str, ...]:
    """Return the SHA-256 fingerprints of certificates (DER), in their order."""
    return tuple(hashlib.sha256(certificate).hexdigest() for certificate in certificates)


def presented(stream: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates that the service sent, in its order, DER.

    Public from Python 3.13; before, only the object below the socket knows more than the leaf.
    """
    if sys.version_info >= (3, 13):
        return stream.get_unverified_chain()
    from _ssl import ENCODING_DER

    below: Any = stream
    return [certificate.public_bytes(ENCODING_DER) for certificate in below._sslobj.get_unverified_chain() or ()]
