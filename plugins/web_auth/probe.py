"""Probe of the login page, over the connection that presented the chain."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from http.client import HTTPException

from chainwright import Endpoint, ProbeFailed, TLSProbe, http_get


@dataclass(frozen=True)
class PageProbe(TLSProbe):
    """Asks ``GET /``: nginx answers the handshake of a page that its workers may not read."""

    group: str = "www-data"
    """Whose members may read the page."""

    def above(self, stream: ssl.SSLSocket, endpoint: Endpoint, deadline: float) -> int | None:
        """Return nothing, as the generation has a socket of its own. Raises `ProbeFailed`."""
        try:
            status = http_get(stream, "/", deadline, host=endpoint.server_name or "localhost").status
        except HTTPException as error:
            raise ProbeFailed(str(endpoint), "GET / is not answered in HTTP") from error
        if status in {403, 404}:
            why = f"as it is where nginx's workers aren't in the group {self.group}, which may read the page"
            raise ProbeFailed(str(endpoint), f"GET / is answered with {status}, {why}")
        if status >= 400:
            raise ProbeFailed(str(endpoint), f"GET / is answered with {status}")
        return None
