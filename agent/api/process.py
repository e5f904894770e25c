"""What ``chainwright api`` runs: the application on a socket that somebody else has opened, while somebody asks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import uvicorn.config
import uvicorn.server

from agent.api.app import application
from agent.api.connection import Connection
from agent.api.routes import ROUTES
from agent.api.services import ApiServices

KEEP_ALIVE = 15
"""Seconds that an idle connection is held."""
GRACE = 5
"""Seconds for answers under way, at the end."""

log = logging.getLogger("chainwright.api")


def serve(services: ApiServices, listener: socket.socket) -> None:
    """Answer on `listener` (listening, UNIX) until nobody has asked for some time, or SIGTERM or SIGINT comes."""
    logging.basicConfig(format="api: %(message)s", level=logging.INFO)
    Server(services).run([listener])


class Server(uvicorn.server.Server):
    """uvicorn's server, which ends when it is idle."""

    def __init__(self, services: ApiServices) -> None:
        super().__init__(_config(services))
        self._services = services
        self._used = time.monotonic()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install our handlers. uvicorn's own would raise the signal again at the end: no clean exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def on_tick(self, counter: int) -> bool:
        """Look whether it is idle: not even a connection that was accepted and not seen yet, which would be a task."""
        busy = self.server_state.connections or self._services.job_processes.running or len(asyncio.all_tasks()) > 1
        if busy:
            self._used = time.monotonic()
        return await super().on_tick(counter) or time.monotonic() >= self._used + self._services.limits.idle_seconds


def _config(services: ApiServices) -> uvicorn.config.Config:
    return uvicorn.config.Config(
        application(services, ROUTES),
        http=cast(Any, partial(Connection, services.limits)),
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # its warnings are about requests, which anybody can send
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=1,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=services.limits.headers_octets,
    )
