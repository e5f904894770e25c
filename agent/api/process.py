"""Server that ``chainwright api`` runs: the application on a socket that the caller has opened, until nobody asks any more."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from functools import partial

from agent.api.app import application
from agent.api.connection import PROCESSES, ApiConnection, user_of
from agent.api.connection_limit import Party, Places
from agent.api.routes import ROUTES
from agent.api.services import ApiServices
from agent.api.starting import unmark
from agent.api.uvicorn_server import HttpServer

KEEP_ALIVE = 15
"""Seconds that an idle connection is held."""
GRACE = 5
"""Seconds for answers under way, at the end."""
MOST_USERS = 3
"""Whose connections have their places at the same time: root, the agent's own user, and the web interface's."""

log = logging.getLogger("chainwright.api")


def serve(services: ApiServices, listener: socket.socket) -> None:
    """Answer on `listener` (listening, UNIX) until nobody has asked for some time, or SIGTERM or SIGINT comes."""
    logging.basicConfig(format="api: %(message)s", level=logging.INFO)
    ApiServer(services).run([listener])


class ApiServer(HttpServer):
    """A server that ends when it is idle."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        super().__init__(
            application(services, ROUTES),
            partial(ApiConnection, services.limits),
            keep_alive_seconds=KEEP_ALIVE,
            shutdown_seconds=GRACE,
            date_header=False,  # the application's own is by the clock that is believed
            h11_max_incomplete_event_size=services.limits.headers_octets,
        )
        self._used = time.monotonic()

    def places(self) -> Mapping[str, Places]:
        """Return how many connections each user's processes may have."""
        most = self._services.limits.connections
        return {PROCESSES: Places(MOST_USERS * most, most)}

    def party(self, connection: socket.socket) -> Party:
        """Return whose a connection is."""
        return user_of(connection)

    def started_listening(self, sockets: list[socket.socket]) -> None:
        """Tell those who wait that it answers now."""
        unmark(self._services.layout)

    def finished(self) -> bool:
        """Return whether there was no connection for some time, and no preview is kept."""
        if (
            self._services.inspections or self.connected
        ):  # in this order: what is too old is dropped also while one is used
            self._used = time.monotonic()
        return time.monotonic() >= self._used + self._services.limits.idle_seconds
