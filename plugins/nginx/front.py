"""Sockets behind the front that tells TLS-ALPN-01 challenges (RFC 8737) from everything else.

nginx's ``stream`` reads the ClientHello at an address and passes the connection on: with ``acme-tls/1`` to the agent, else to a
UNIX socket on which the servers of that address listen in its place. A line of the PROXY protocol keeps the client's address.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from chainwright import ListenAddress, Places

ACME = "tls-alpn-01.sock"
"""The agent listens there while a CA is to look."""


def acme_socket(places: Places) -> Path:
    """Return where the agent answers."""
    return places.run / ACME


def https_socket(places: Places, address: ListenAddress) -> Path:
    """Return where the servers of an address listen; the name is short, as a socket's path has 107 bytes."""
    return places.run / f"https-{hashlib.sha256(str(address).encode()).hexdigest()[:8]}.sock"


def every_socket(places: Places) -> Path:
    """Return a pattern of all of these."""
    return places.run / "https-*.sock"
