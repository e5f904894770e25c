"""The supervisor of the local API in a thread of the test's, which notes failures in the store as the agent's processes do."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.daemon.api_supervisor import ACCEPT_SECONDS, PROGRAM, ApiSupervisor
from agent.daemon.event_loop import EventLoop
from agent.daemon.log import Log
from agent.daemon.notes import Notes
from agent.system.clock import Clock
from agent.system.layout import Layout

TICK = 0.5
"""Longest sleep in seconds: the agent's own loop has one too."""


@contextmanager
def api_supervised(
    layout: Layout,
    log: Path,
    *,
    users: Iterable[str] = (),
    program: Sequence[str] = PROGRAM,
    accept_seconds: float = ACCEPT_SECONDS,
) -> Iterator[None]:
    """Supervise the API's process meanwhile; `users` may ask it."""
    clock = Clock(layout.root)
    notes = Notes(layout, clock)
    over = threading.Event()
    with (
        log.open("a") as file,
        EventLoop(stops=(), pokes=()) as loop,
        ApiSupervisor(
            layout,
            Log(file, clock.seconds),
            loop,
            layout.root / "api.log",
            note=notes.note_api,
            program=program,
            accept_seconds=accept_seconds,
        ) as api,
    ):
        api.admit(users)
        if notes.known().get("api_failed"):
            api.failed_before()

        def serve() -> None:
            while not over.is_set():
                api.look()
                loop.wait(TICK if api.seconds is None else min(TICK, api.seconds))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            loop.wake()
            thread.join()
