"""Whom the CA's own server is trusted by: the system's roots, or those of a file for a private CA."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter

from agent.pki.anchors import SYSTEM_BUNDLE
from agent.sources.acme.failures import CaUnreachable, Trouble
from agent.sources.acme.timed_connections import ANSWER_TIMEOUT, with_deadline

CONNECTIONS = 16
"""Kept open for one CA."""


def trusting(trust: Path | None, url: str, bundle: Path = SYSTEM_BUNDLE) -> ssl.SSLContext:
    """Return a context that trusts the certificates in `trust`, or the system's `bundle`. Raises `CaUnreachable`."""
    if trust is None:
        return _trusting_the_system(bundle)
    try:
        context = ssl.create_default_context(cafile=trust)
    except OSError as error:  # of which ssl.SSLError is one
        raise CaUnreachable(_why_not(error), url=url, trouble=Trouble.TRUST_FILE, trust=str(trust)) from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it may be an intermediate, or the server's own
    return context


def _trusting_the_system(bundle: Path) -> ssl.SSLContext:
    with suppress(OSError):
        return ssl.create_default_context(cafile=bundle)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _why_not(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "it holds no certificate in PEM form"
    return (error.strerror or str(error)).lower()


class TrustingAdapter(HTTPAdapter):
    """Connections that share one TLS context: reading a hundred roots for each would cost more than all the rest."""

    def __init__(self, context: ssl.SSLContext, answer_timeout: float = ANSWER_TIMEOUT) -> None:
        """`answer_timeout` in seconds."""
        self._context = context
        self._answer_timeout = answer_timeout
        super().__init__(pool_connections=4, pool_maxsize=CONNECTIONS)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Give the context to direct connections."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **options)
        with_deadline(self.poolmanager, self._answer_timeout)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Give the context to connections through a proxy."""
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **options)
        with_deadline(manager, self._answer_timeout)
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Verify by the context alone: the library would add roots of its own to it."""
        conn.cert_reqs = "CERT_REQUIRED"
