"""A client that looks at what a service of this machine presents."""

from __future__ import annotations

import time

from agent.contract.endpoint import Endpoint, Expected, StartTLS
from agent.errors import ProbeFailed
from agent.probing.probe import TLSProbe

SECONDS = 20.0


def presented(port: int, name: str = "", starttls: StartTLS | str | None = None) -> tuple[str, ...]:
    """Return the SHA-256 of leaf and intermediates that are presented at a port; none: there is no handshake."""
    endpoint = Endpoint(port=port, server_name=name, starttls=StartTLS(starttls) if starttls else None)
    try:
        return (
            TLSProbe().look(endpoint, time.monotonic() + SECONDS, Expected(fingerprints=(), generation=0)).fingerprints
        )
    except ProbeFailed:
        return ()
