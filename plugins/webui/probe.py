"""Probe of the web interface: the generation's number over the connection that presented the chain."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from http.client import HTTPException

from chainwright import Endpoint, ProbeFailed, TLSProbe, http_get


@dataclass(frozen=True)
class WebUIProbe(TLSProbe):
    """Asks ``GET /generation`` over TLS: a process that hangs behind its handshake is found, and so is an old generation."""

    def above(self, stream: ssl.SSLSocket, endpoint: Endpoint, deadline: float) -> int | None:
        """Return the number. Raises `ProbeFailed`."""
        try:
            answer = http_get(stream, "/generation", deadline)
            if answer.status != 200:
                raise ProbeFailed(str(endpoint), f"GET /generation is answered with {answer.status}")
            return int(json.loads(answer.body)["generation"])
        except (HTTPException, ValueError, TypeError, KeyError) as error:
            raise ProbeFailed(str(endpoint), "GET /generation is not answered with the generation's number") from error
