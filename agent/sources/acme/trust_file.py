"""The file of `trust`: what the CA's own server is trusted by. It is read without what speaks to a CA."""

from __future__ import annotations

import ssl
from pathlib import Path

from agent.errors.acme import TrustFileUnusable
from agent.system.trust import Untrusted, read


def trusting_file(file: Path) -> ssl.SSLContext:
    """Return a context that trusts the certificates in `file`. Raises OSError, also as ssl.SSLError and `Untrusted`."""
    read(file)  # so that nobody but root and the caller can change it
    context = ssl.create_default_context(cafile=file)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it may be an intermediate, or the server's own
    return context


def why_unusable(error: OSError) -> str:
    """Return in words why `trusting_file` has failed."""
    if isinstance(error, ssl.SSLError):
        return "it holds no certificate in PEM form"
    if isinstance(error, Untrusted):
        return str(error.strerror)
    return (error.strerror or str(error)).lower()


def check_trust_file(file: Path) -> None:
    """Check that the file can be used, as an order does. Raises `TrustFileUnusable`."""
    try:
        trusting_file(file)
    except OSError as error:
        raise TrustFileUnusable(str(file), why_unusable(error)) from error
