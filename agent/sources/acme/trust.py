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
from agent.sources.acme.trust_file import trusting_file, why_unusable

CONNECTIONS = 16
"""Kept open for one CA."""


def trusting(trust: Path | None, url: str, bundle: Path = SYSTEM_BUNDLE) -> ssl.SSLContext:
    """Return a context that trusts the certificates in `trust`, or the system's `bundle`. Raises `CaUnreachable`."""
    if trust is None:
        return _trusting_the_system(bundle)
    try:
        return trusting_file(trust)
    except OSError as error:
        raise CaUnreachable(why_unusable(error), url=url, trouble=Trouble.TRUST_FILE, trust=str(trust)) from error


def _trusting_the_system(bundle: Path) -> ssl.SSLContext:
    with suppress(OSError):
        return ssl.create_default_context(cafile=bundle)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


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
