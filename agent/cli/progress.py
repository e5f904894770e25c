"""Progress of a pass on stderr: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
import threading

import click

from agent.model.events import Event, EventKind

OF_ROOTS = {
    EventKind.ROOT_CREATED,
    EventKind.ROOT_PREPARED,
    EventKind.ROOTS_CERTIFIED,
    EventKind.ROOT_SIGNS,
    EventKind.ROOT_ENDED,
    EventKind.ROOT_RETIRED,
    EventKind.ROOT_BELIEVED,
}
LASTING = OF_ROOTS | {
    EventKind.CHAIN_STORED,
    EventKind.CHAIN_REVOKED,
    EventKind.ORDER_STARTED,
    EventKind.ORDER_FAILED,
    EventKind.REFUSED,
    EventKind.DEPLOYED,
    EventKind.WAITING,
    EventKind.ROLLED_BACK,
    EventKind.BROKEN,
    EventKind.DRIFT,
    EventKind.RECOVERED,
    EventKind.MODULE_FAILED,
    EventKind.PLUGIN_FAILED,
}
"""What stays on the screen."""
PASSING = {EventKind.STEP, EventKind.ORDER_STEP}
"""What is overwritten by the next step, and left out where nothing can be overwritten."""
ERASE = "\r\x1b[K"


class Progress:
    """A listener of the bus. Events come from several threads."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = False
        self.lasting = 0
        """How many things have happened that are worth a line."""
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            self.lasting += event.kind in LASTING
            awaits = event.kind is EventKind.PLUGIN_AWAITED  # said in any case: it may hang
            if self._quiet and not awaits:
                return
            if event.kind in LASTING or awaits:
                self._erase()
                click.echo(line_of(event), err=True)
            elif event.kind in PASSING and self._live:
                self._overwrite(line_of(event))

    def close(self) -> None:
        """Leave nothing half on the screen."""
        with self._lock:
            self._erase()

    def _overwrite(self, line: str) -> None:
        columns = shutil.get_terminal_size().columns
        sys.stderr.write(f"{ERASE}{line[: columns - 5]} ...")
        sys.stderr.flush()
        self._shown = True

    def _erase(self) -> None:
        if self._shown:
            sys.stderr.write(ERASE)
            sys.stderr.flush()
            self._shown = False


def line_of(event: Event) -> str:
    """Return who it is about, and what happened."""
    names = event.detail.get("names") or event.detail.get("modules") or ()
    if event.kind in OF_ROOTS:
        return f"root: {event.text}"
    who = event.module or ", ".join(str(each) for each in list(names)[:3])
    return f"{who}: {event.text}" if who else event.text
