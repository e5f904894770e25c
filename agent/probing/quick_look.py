"""One handshake, with nothing else imported: for a run that has nothing to do but to look."""

from __future__ import annotations

import socket

from agent.probing.handshake import fingerprints_of, lenient_context, presented

SECONDS = 1.0
"""Then a pass looks, which says what is wrong."""


def fingerprints_at(host: str, port: int, server_name: str) -> tuple[str, ...]:
    """Return the SHA-256 of the certificates that are presented at an address; none where there is no handshake in time."""
    try:
        with (
            socket.create_connection((host, port), SECONDS) as plain,
            lenient_context().wrap_socket(plain, server_hostname=server_name or None) as stream,
        ):
            return fingerprints_of(presented(stream))
    except (OSError, ValueError):
        return ()
