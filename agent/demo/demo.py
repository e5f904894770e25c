"""Keeping the demo appliance up: the agent's loop in this process, the web interface as a process beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.daemon.log import Level, Log
from agent.daemon.sd_notify import Notifier
from agent.daemon.supervisor import Supervisor
from agent.daemon.wakeup import Wakeup
from agent.demo.ca import CA, PEBBLE, configured_ports
from agent.demo.files import Prepared, prepare, upstream_ports
from agent.demo.guide import guide, how_to_add, root_file, roots_file
from agent.demo.modules import OFFERS, DemoModule
from agent.demo.ownership import take_over
from agent.demo.pebble import Pebble, trusted_roots
from agent.demo.processes import WebUI, end_all, end_passes
from agent.demo.upstream import serving
from agent.errors import AgentError
from agent.errors.store import AgentAlreadyRunning, StateUnwritable
from agent.store import Store
from agent.store.restarts import KEY as RESTARTS
from agent.system.clock import Clock
from agent.system.layout import Layout
from agent.system.lock import held
from agent.system.writing import make_directory, replace

DEFAULT_ROOT = "chainwright-demo"
"""In the current directory, where nobody names another one: a demo has no business in the machine's own."""
WHO = "chainwright demo"
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""SIGHUP too: the terminal has gone."""


def demo(layout: Layout, port: int | None = None, *, offers: Sequence[DemoModule] = OFFERS, ca: CA = PEBBLE) -> int:
    """Run the demo appliance until Ctrl-C; return the exit code.

    `port`: of the web interface; None: as the settings say, 8443 at the first start if it's free. When a demo is up on
    this state, its guide is printed again: 0. Raises `AgentAlreadyRunning` when it's an agent that is no demo, `StateUnwritable`,
    `SocketPathTooLong`.
    """
    layout = Layout(Path(DEFAULT_ROOT if layout.root == Path("/") else layout.root).resolve())
    _take_over(layout)
    try:
        with held(layout.daemon_lock, wait=0.0, refusal=AgentAlreadyRunning):
            _run(layout, prepare(layout, port, offers, ca), ca)
    except AgentAlreadyRunning as error:
        if "demo" not in error.holder.split():
            raise
        _say(f"The demo is up already ({error.holder}).", *_guide(layout, Prepared((), (), configured_ports(layout))))
    return 0


def _take_over(layout: Layout) -> None:
    try:
        if said := take_over(layout, os.geteuid()):
            _say(said)
    except OSError as error:
        raise StateUnwritable(str(layout.root), (error.strerror or str(error)).lower()) from error


def _run(layout: Layout, prepared: Prepared, ca: CA) -> None:
    _make_log(layout)
    end_passes(layout)
    left = end_all(layout)
    _forget_starts(layout)
    if left:
        _say(f"Ended what an earlier demo had left: {', '.join(left)}.")
    with (
        (layout.log / "agent.daemon.log").open("a") as file,
        serving(upstream_ports(layout)) as taken,
        Wakeup(layout, stops=ENDS, pokes=()) as wakeup,
    ):
        notes = [f"Another program has the port {each} of the demo's upstream." for each in taken]
        notes += _start_ca(layout, prepared, ca)
        clock = Clock(layout.root)
        appliance = DemoAppliance(layout, dataclasses.replace(prepared, notes=(*prepared.notes, *notes)), wakeup)
        supervisor = Supervisor(
            layout,
            DemoLog(file, clock.seconds),
            wakeup,
            Notifier({}),
            clock,
            attend=appliance.attend,
            who=WHO,
            output=file.fileno(),
            api_output=layout.log / "api.log",
        )
        try:
            supervisor.serve()
        finally:
            appliance.end()


def _forget_starts(layout: Layout) -> None:
    """Have no start of an earlier demo counted, which has ended its services itself: they would seem to end again and again."""
    with contextlib.suppress(AgentError), Store.open_existing(layout) as store, store.write():
        store.remember(RESTARTS, "{}")


def _start_ca(layout: Layout, prepared: Prepared, ca: CA) -> list[str]:
    """Start the CA that the settings want; return what is to be said of it."""
    programs = ca.programs()
    if programs is None:
        return [f"It has no CA: there is no {ca.program} on this machine ({how_to_add(ca.package)})."]
    if prepared.ca is None:
        return []
    pebble = Pebble(layout, programs, prepared.ca)
    return [] if pebble.start() else [f"Its CA does not come up, see {pebble.log}"]


class DemoLog(Log):
    """Writes to a file, and what is wrong to the terminal too."""

    def say(self, text: str, level: Level = Level.INFO) -> None:
        """Write one line."""
        super().say(text, level)
        if level is Level.ERROR:
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{text}\n")


class DemoAppliance:
    """What the demo does beside the agent's loop."""

    def __init__(self, layout: Layout, prepared: Prepared, wakeup: Wakeup) -> None:
        self._layout = layout
        self._prepared = prepared
        self._webui = WebUI(layout, wakeup.wake)
        self._greeted = False
        self._root = b""

    def attend(self) -> bool:
        """Keep the web interface up and say where things are. Return whether a process was started."""
        self._publish_root()
        if self._webui.can_start:
            if self._webui.start():
                return True
            _say(f"The web interface does not come up, see {self._webui.log}")
        if not self._greeted:
            self._greeted = True
            _say(*_guide(self._layout, self._prepared))
        return False

    def end(self) -> None:
        """End every process."""
        _say("Stopping ...")
        self._webui.stop()
        end_all(self._layout)
        _say(f"Stopped. The state stays in {self._layout.root}")

    def _publish_root(self) -> None:
        with contextlib.suppress(AgentError, OSError), Store.open_existing(self._layout) as store:
            root = store.roots.present()
            pem = root.certificates.encode() if root else b""
            if pem and pem != self._root:
                replace(root_file(self._layout), pem, mode=0o644)
                replace(roots_file(self._layout), pem + trusted_roots(self._layout), mode=0o644)
                self._root = pem


def _guide(layout: Layout, prepared: Prepared) -> list[str]:
    try:
        with Store.open_existing(layout) as store:
            return guide(layout, store, prepared, Clock(layout.root)())
    except AgentError as error:
        return error.problem.lines()


def _make_log(layout: Layout) -> None:
    try:
        layout.log.parent.mkdir(parents=True, exist_ok=True)
        make_directory(layout.log, mode=0o750)
        os.close(os.open(layout.log / "agent.daemon.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640))
    except OSError as error:
        raise StateUnwritable(str(layout.log), (error.strerror or str(error)).lower()) from error


def _say(*lines: str) -> None:
    """Print, also where the reader of a pipe has gone."""
    with contextlib.suppress(OSError):
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
