"""``python -m agent.daemon.delivery ROOT SECONDS [PIPE]``: the process that tells observers and notifiers of the stored events.

It ends when nobody has been to be told for SECONDS; on PIPE it says at its end in how many seconds somebody is to be told again.
There is one at a time: it holds a lock of its own, and not the agent's. What hangs, or ends the process, costs nobody else.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

from agent.contract.notifier import NotifierContext
from agent.daemon.deliverer import Deliverer
from agent.daemon.delivery_marks import DeliveryMarks
from agent.daemon.delivery_supervisor import NOBODY
from agent.daemon.log import Log, reaches_journal
from agent.engine.host import read_host
from agent.engine.settings_in_force import KeptSettings
from agent.engine.unchanged_settings import Loaded, Loader
from agent.errors import AgentError
from agent.errors.store import LockHeld
from agent.registry.listeners import Listener, listeners_of
from agent.store import Store
from agent.system.clock import Clock
from agent.system.layout import Layout
from agent.system.lock import held

GRACE = 5.0
"""Seconds for who is told when the process is asked to end."""
HELD_UP = 60.0
"""So long nothing else may run in this process, as when a plugin's C code keeps Python's lock; then it ends."""
TICK = 0.5
"""Seconds between two looks for new events."""


class ListenersInForce:
    """Listeners of the settings in force, made again where those have changed."""

    def __init__(
        self, layout: Layout, loader: Loader, clock: Callable[[], datetime], stopping: Callable[[], bool]
    ) -> None:
        self._layout = layout
        self._loader = loader
        self._clock = clock
        self._stopping = stopping
        self._loaded: Loaded | None = None
        self._made: Mapping[str, Listener] = {}

    def __call__(self) -> Mapping[str, Listener]:
        """Return them by name. Raises `SettingsRefused` where there are no settings to fall back on."""
        loaded = self._loader(self._layout)
        if loaded is not self._loaded:
            settings, registry = loaded
            self._made = listeners_of(registry, settings.plugin_settings, settings.modules, settings.notifiers)
            self._loaded = loaded
        return self._made

    def context(self) -> NotifierContext:
        """Return what a notifier is given."""
        settings, _ = self._loader(self._layout)
        return NotifierContext(host=read_host(settings).name, now=self._clock(), stopping=self._stopping)


def serve(
    layout: Layout,
    linger: float,
    stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] | None = None,
) -> float | None:
    """Tell whom there is something to tell; return in how many seconds somebody is to be told again."""
    clock = now = clock or Clock(layout.root)
    log = Log(sys.stderr, lambda: now().timestamp(), journal=reaches_journal(sys.stderr, os.environ))
    listeners = ListenersInForce(layout, KeptSettings(), clock, stopping)
    while True:
        try:
            with (
                held(layout.delivery_lock, wait=0.0),
                Store.open_existing(layout) as store,
                closing(DeliveryMarks(layout.delivering)) as marks,
            ):
                deliverer = Deliverer(store, listeners, listeners.context, clock, marks, log.say)
                _deliver(deliverer, linger, stopping)
        except LockHeld:
            return None  # the other one looks once more when it has given the lock back
        with Store.open_existing(layout) as store:
            until = store.deliveries.seconds_until_due(clock(), listeners())
        if until != 0.0 or deliverer.hangs or stopping():
            return until


def _deliver(deliverer: Deliverer, linger: float, stopping: Callable[[], bool]) -> None:
    deliverer.take_up()
    idle_since = time.monotonic()
    try:
        while not stopping() and not deliverer.is_stuck:
            faulthandler.dump_traceback_later(HELD_UP, exit=True)
            if deliverer.look(TICK if linger or deliverer.is_busy else 0.0) or deliverer.is_busy:
                idle_since = time.monotonic()
            elif time.monotonic() >= idle_since + linger:
                break
        deliverer.wait(GRACE)
    finally:
        faulthandler.cancel_dump_traceback_later()
        deliverer.forget_marks()


def main(root: str, linger: str, pipe: str = "") -> int:
    """Run the process."""
    os.dup2(2, 1)  # what plugins print goes to the log
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: asked.append(number))
    try:
        until = serve(Layout(Path(root)), float(linger), lambda: bool(asked))
    except AgentError as error:
        sys.stderr.write(f"{' '.join(error.problem.lines())}\n")
        return 1
    if pipe:
        os.write(int(pipe), (NOBODY if until is None else str(until)).encode())
    return 0


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # threads of plugins that hang are not waited for
