"""Server of the web interface's pages, while somebody uses them."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from agent.api.connection_limit import ConnectionLimit
from agent.api.listener import Listener
from agent.api.uvicorn_server import HttpConnection, HttpServer
from plugins.webui.agent_clock import AgentClock
from plugins.webui.app import application
from plugins.webui.cache import SessionCache
from plugins.webui.site import Site
from plugins.webui.start import Start
from plugins.webui.tls import SlotContext
from plugins.webui.upload_drafts import UploadDrafts

_KEEP_ALIVE = 75
"""Seconds that an idle connection is held, as nginx does."""
_GRACE = 2
"""Seconds that a connection has at the end: for an answer under way, and for the client's close_notify."""
IDLE_SECONDS = 60.0
"""After the last connection, until the process makes itself small again."""


class Connection(HttpConnection):
    """Tells each request what its connection was given, which is not what new connections get after a swap."""

    headers_seconds = 20.0
    closing_seconds = _GRACE

    def state(self, transport: asyncio.Transport) -> dict[str, Any]:
        """Return the chain of the handshake, and what protects the connection of somebody who has logged in."""
        chain = cast(SlotContext, transport.get_extra_info("ssl_object").context).chain
        return {"chain": chain, "authenticated": self.authenticated}


class Server(HttpServer):
    """A server that takes over what the idle process listens to, and ends when nobody has used it for a while."""

    idle_seconds = IDLE_SECONDS

    def __init__(
        self, site: Site, start: Start, limit: ConnectionLimit, listener: Listener, *, started: Callable[[], None]
    ) -> None:
        """`started` is called when it can answer."""
        self._clock = AgentClock()
        self._cache, self._drafts = SessionCache(self._clock), UploadDrafts()
        self._restore(start.remembered())
        super().__init__(
            application(start.templates, start.api, self._clock, self._cache, self._drafts),
            Connection,
            keep_alive_seconds=_KEEP_ALIVE,
            shutdown_seconds=2 * _GRACE,
        )
        self.take_over(limit, listener)
        self._site = site
        self._started = started
        self._used_at = time.monotonic()

    def handlers(self) -> Mapping[signal.Signals, Callable[[], None]]:
        """Take the next generation at SIGHUP."""
        return {signal.SIGHUP: self._site.reload}

    def started_listening(self, sockets: list[socket.socket]) -> None:
        """Say so."""
        self._started()

    def finished(self) -> bool:
        """Return whether nobody has been connected for a while, and another process would serve the same."""
        now = time.monotonic()
        used = self._drafts or self.connected
        self._used_at = now if used else self._used_at
        if used or now < self._used_at + self.idle_seconds:
            return False
        self._used_at = now  # looking takes time: where it can't be, it is looked at again after as long
        return self._site.can_be_loaded_again

    def memory(self) -> str:
        """Return what the process has to remember, as text; empty: nothing."""
        seen = self._cache.seen()
        return json.dumps({"clock": self._clock.memory(), "seen": seen}) if seen else ""

    def _restore(self, memory: str) -> None:
        """Remember what `memory` has returned; nothing of what another release has."""
        found = json.loads(memory) if memory else {}
        self._clock.restore(found.get("clock", ()))
        self._cache.restore(found.get("seen", {}))
