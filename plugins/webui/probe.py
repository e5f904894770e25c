"""Probe of the web interface: the generation's number over the connection that presented the chain."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from chainwright import Endpoint, ProbeFailed, TLSProbe

LARGEST_ANSWER = 4096
"""Octets."""


@dataclass(frozen=True)
class WebUIProbe(TLSProbe):
    """Asks ``GET /generation`` over TLS: a process that hangs behind its handshake is found, and so is an old generation."""

    def above(self, stream: ssl.SSLSocket, endpoint: Endpoint, deadline: float) -> int | None:
        """Return the number. Raises `ProbeFailed`."""
        connection = HTTPConnection("localhost")
        connection.sock = stream
        try:
            connection.request("GET", "/generation", headers={"Connection": "close"})
            with connection.getresponse() as response:
                body = response.read(LARGEST_ANSWER)
            if response.status != 200:
                raise ProbeFailed(str(endpoint), f"GET /generation is answered with {response.status}")
            return int(json.loads(body)["generation"])
        except (HTTPException, ValueError, TypeError, KeyError) as error:
            raise ProbeFailed(str(endpoint), "GET /generation is not answered with the generation's number") from error
