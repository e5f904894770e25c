"""The web interface's own process: an HTTPS listener that takes a new generation without dropping a connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, cast

import uvicorn.config
import uvicorn.server
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from chainwright import AgentError
from plugins.webui.app import application
from plugins.webui.errors import CannotListen, PidFileUnwritable
from plugins.webui.generation import load_generation
from plugins.webui.tls import SlotContext, listener_context

_BACKLOG = 128
_KEEP_ALIVE = 75
"""Seconds that an idle connection is held, as nginx does."""
_MOST_CONNECTIONS = 500
_GRACE = 2
"""Seconds that a connection has at the end: for an answer under way, and for the client's part of TLS's farewell."""

log = logging.getLogger("chainwright.webui")


def serve(
    live: Path, *, listen: Sequence[tuple[str, int]], pid_file: Path, templates: Sequence[Path], api: Path
) -> None:
    """Serve the generation that the symbolic link `live` names until SIGTERM or SIGINT; SIGHUP takes the next one.

    Runs in the main thread of a process of its own. `listen` are hosts and ports (0: any free one); `templates` are
    the module's template directories, the operator's first; `api` is the socket of the agent's API. The pid file stands
    while the listener is up.

    Raises: `WebUIError` if there is nothing usable to serve, or nowhere to serve it.
    """
    # Until the handler stands, a SIGHUP would end the process; what it announced is looked up again after the start.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _log_to_stderr()
    sys.unraisablehook = _unraisable
    site = Site(live)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_bind(host, port)) for host, port in listen]
        Server(site, pid_file, application(templates, api)).run(sockets)


class Site:
    """What is served now: one reference, swapped whole."""

    def __init__(self, live: Path) -> None:
        self.live = live
        self.generation = load_generation(live, rescue=True)
        for slot, context in self.generation.contexts.items():
            if context.chain.instead_of:
                log.error("slot %s falls back to %s: %s", slot, context.chain.slot, context.chain.refused)

    def choose(self, server_name: str | None) -> SlotContext:
        """Return the context for an SNI value."""
        return self.generation.choose(server_name)

    def reload(self) -> None:
        """Take the generation that `live` names now, or say why not and keep the one in service."""
        try:
            self.generation = load_generation(self.live)
        except AgentError as error:
            reason = " ".join(error.problem.lines())
            log.error("reload refused: %s Generation %d stays in service.", reason, self.generation.number)
        else:
            log.info("generation %d is in service", self.generation.number)

    def catch_up(self) -> None:
        """Reload if `live` was switched when nobody could tell us."""
        if Path(os.path.realpath(self.live)) != self.generation.directory:
            self.reload()


class Connection(H11Protocol):
    """Tells each request what its connection was given, which is not what new connections get after a swap."""

    first_request: ClassVar[float] = 20.0
    """Seconds that a new connection has to send the first line and headers of a request."""
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Follow the handshake."""
        super().connection_made(transport)
        context = cast(SlotContext, transport.get_extra_info("ssl_object").context)
        self.app_state = {"chain": context.chain}
        self._patience = self.loop.call_later(self.first_request, self.transport.abort)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()

    def handle_events(self) -> None:
        """Stop waiting for the first line and headers of the first request when they are there."""
        super().handle_events()
        if self._patience is not None and self.cycle is not None:
            self._patience.cancel()
            self._patience = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget about it."""
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close, but don't wait for a client that does not close on its side (asyncio would, for 30 seconds)."""
        super().shutdown()
        self.loop.call_later(_GRACE, self.transport.abort)


class Server(uvicorn.server.Server):
    """uvicorn's server with our signals and a pid file."""

    def __init__(self, site: Site, pid_file: Path, app: ASGIApp) -> None:
        super().__init__(_config(site, app))
        self.site = site
        self.pid_file = pid_file

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install our handlers. uvicorn's own would raise the signal again at the end: no clean exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        loop.add_signal_handler(signal.SIGHUP, self.site.reload)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and only then say so: who reads the pid file may signal and connect at once."""
        await super().startup(sockets)
        _write_pid(self.pid_file)
        self.site.catch_up()
        for listener in sockets or []:
            log.info("generation %d is served on https://%s/", self.site.generation.number, _name(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Withdraw the pid file, then let answers under way end."""
        _remove_pid(self.pid_file)
        await super().shutdown(sockets)


def _config(site: Site, app: ASGIApp) -> uvicorn.config.Config:
    def context(*_: object) -> ssl.SSLContext:
        return listener_context(site.choose)

    return uvicorn.config.Config(
        app,
        ssl_context_factory=context,
        http=Connection,
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
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=2 * _GRACE,  # for who is still in the handshake
    )


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        raise CannotListen(_address(host, port), error.strerror or str(error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise CannotListen(_address(host, port), error.strerror or str(error)) from error
    return listener


def _name(listener: socket.socket) -> str:
    return _address(*listener.getsockname()[:2])


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _write_pid(path: Path) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(f"{os.getpid()}\n")
        draft.replace(path)
    except OSError as error:
        raise PidFileUnwritable(path, error.strerror or str(error)) from error


def _remove_pid(path: Path) -> None:
    """Remove our own pid file: a successor may have written its own already."""
    with contextlib.suppress(OSError):
        if path.read_text() == f"{os.getpid()}\n":
            path.unlink()


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
