"""HTTPS server of the web interface, which takes a new generation without dropping a connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from starlette.types import ASGIApp

from chainwright import AgentError, HttpConnection, HttpServer
from plugins.webui.app import application
from plugins.webui.errors import CannotListen, PidFileUnwritable
from plugins.webui.generation import load_generation
from plugins.webui.tls import SlotContext, listener_context

_BACKLOG = 128
_KEEP_ALIVE = 75
"""Seconds that an idle connection is held, as nginx does."""
_GRACE = 2
"""Seconds that a connection has at the end: for an answer under way, and for the client's close_notify."""

log = logging.getLogger("chainwright.webui")


def serve(
    live: Path, *, listen: Sequence[tuple[str, int]], pid_file: Path, templates: Sequence[Path], api: Path
) -> None:
    """Serve the generation that the symbolic link `live` names until SIGTERM or SIGINT; SIGHUP takes the next one.

    Runs in the main thread of a process of its own. `listen` are hosts and ports (0: any free one); `templates` are
    the module's template directories, the operator's first; `api` is the socket of the agent's API. The pid file is there
    while the listener is up.

    Raises: `WebUIError` if there is nothing usable to serve, or nowhere to serve it.
    """
    # Until the handler is set, a SIGHUP would end the process; what it announced is looked up again after the start.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _log_to_stderr()
    sys.unraisablehook = _unraisable
    site = Site(live)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_bind(host, port)) for host, port in listen]
        Server(site, pid_file, application(templates, api)).run(sockets)


class Site:
    """Generation in service: one reference, swapped as a whole."""

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
        """Reload if `live` was switched before the pid file was there."""
        if Path(os.path.realpath(self.live)) != self.generation.directory:
            self.reload()


class Connection(HttpConnection):
    """Tells each request what its connection was given, which is not what new connections get after a swap."""

    headers_seconds = 20.0
    closing_seconds = _GRACE

    def state(self, transport: asyncio.Transport) -> dict[str, Any]:
        """Return the chain of the handshake, and what protects the connection of somebody who has logged in."""
        chain = cast(SlotContext, transport.get_extra_info("ssl_object").context).chain
        return {"chain": chain, "authenticated": self.authenticated}


class Server(HttpServer):
    """A server that has a pid file and takes the next generation at SIGHUP."""

    def __init__(self, site: Site, pid_file: Path, app: ASGIApp) -> None:
        super().__init__(
            app,
            Connection,
            keep_alive_seconds=_KEEP_ALIVE,
            shutdown_seconds=2 * _GRACE,
            ssl_context_factory=lambda *_: listener_context(site.choose),
            backlog=_BACKLOG,
        )
        self.site = site
        self.pid_file = pid_file

    def handlers(self) -> Mapping[signal.Signals, Callable[[], None]]:
        """Take the next generation at SIGHUP."""
        return {signal.SIGHUP: self.site.reload}

    def started_listening(self, sockets: list[socket.socket]) -> None:
        """Write the pid file: its readers may send signals and connect at once."""
        _write_pid(self.pid_file)
        self.site.catch_up()
        for listener in sockets:
            log.info("generation %d is served on https://%s/", self.site.generation.number, _name(listener))

    def stopping(self) -> None:
        """Remove the pid file."""
        _remove_pid(self.pid_file)


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
