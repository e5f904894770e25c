"""Loop of the web interface's process: idle, in use, and idle again. It takes a new generation without dropping a connection."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from typing import TYPE_CHECKING

from agent.api.connection_limit import ConnectionLimit, party_of, tcp_pools
from agent.api.listener import Listener
from plugins.webui.idle import CLOSING_SECONDS, IdleConnection
from plugins.webui.pid_file import remove_pid, write_pid
from plugins.webui.site import Site
from plugins.webui.sockets import BACKLOG, name_of
from plugins.webui.start import SIGNALS, Start
from plugins.webui.tls import listener_context

if TYPE_CHECKING:
    from plugins.webui.server import Server


log = logging.getLogger("chainwright.webui")


def serve(start: Start) -> None:
    """Serve the generation that the symbolic link `live` names until SIGTERM or SIGINT; SIGHUP takes the next one.

    Runs in the main thread of a process of its own. The pid file is there while it listens.

    Raises: `WebUIError` if there is nothing usable to serve, or nowhere to serve it.
    """
    # Until there are handlers, a signal would end the process; what SIGHUP announced is looked up again after the start.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    _log_to_stderr()
    sys.unraisablehook = _unraisable
    site = Site(start.live)
    write_pid(start.pid_file)
    while asyncio.run(Serving(site, start).serve()):
        try:
            start.execute()
        except OSError as error:  # then it goes on as it is
            log.error("the process can't be made small again: %s", error.strerror)
    remove_pid(start.pid_file)


class Serving:
    """One life of the event loop."""

    handshake_seconds = 10.0
    """For TLS."""

    def __init__(self, site: Site, start: Start) -> None:
        self._site = site
        self._start = start
        self._idle: set[IdleConnection] = set()
        self._server: Server | None = None
        self._wanted = asyncio.Event()
        self._stopping = False

    async def serve(self) -> bool:
        """Serve. Return whether it has ended because nobody has used it for a while; otherwise a signal asked for it."""
        limit = self.limit()
        listener = Listener(
            limit, party_of, self._connection, listener_context(self._site.choose), self.handshake_seconds
        )
        listener.start(self._start.listeners, BACKLOG)
        self._handle_signals()
        self._site.catch_up()
        for each in () if self._start.again else self._start.listeners:
            log.info("generation %d is served on https://%s/", self._site.generation.number, name_of(each))
        await self._wanted.wait()
        if self._stopping:
            listener.stop()
            await self._close()
            return False
        return await self._serve_pages(limit, listener)

    def limit(self) -> ConnectionLimit:
        """Return how many connections are open at a time."""
        return ConnectionLimit(tcp_pools())

    async def _serve_pages(self, limit: ConnectionLimit, listener: Listener) -> bool:
        from plugins.webui.server import Server

        self._server = Server(self._site, self._start, limit, listener, started=self._hand_over)
        await self._server.serve([])
        if self._server.should_exit:
            return False
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the loop takes its handlers along
        self._start.remember(self._server.memory())
        self._start.again = True
        return True

    def _connection(self) -> object:
        return self._server.connection() if self._server else IdleConnection(self._idle, self._wanted.set)

    def _hand_over(self) -> None:
        """Have the pages go on with the connections that are open."""
        assert self._server is not None
        for each in list(self._idle):
            each.leave()
            if each.transport is not None and not each.transport.is_closing():
                self._server.adopt(each.transport, each.place, each.received)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._site.reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _stop(self) -> None:
        self._stopping = True
        self._wanted.set()

    async def _close(self) -> None:
        """Close the open connections, and drop those whose clients don't close their side in time."""
        for each in self._idle:
            if each.transport is not None:
                each.transport.close()
        deadline = time.monotonic() + CLOSING_SECONDS
        while self._idle and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for each in list(self._idle):
            if each.transport is not None:
                each.transport.abort()


def _log_to_stderr() -> None:
    """Log to stderr, unless the caller has arranged something else."""
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)s %(levelname)s webui: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _unraisable(event: sys.UnraisableHookArgs) -> None:
    """Report as usual, but for an SNI value that is not ASCII: only its handshake fails, and anybody can send one."""
    if not isinstance(event.exc_value, UnicodeDecodeError):
        sys.__unraisablehook__(event)
