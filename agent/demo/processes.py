"""The demo's processes: the web interface, kept up, and whatever has a pid file, ended at the end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from agent.system.layout import Layout
from agent.system.processes import NoProcess, handle_of, process_of

GRACE = 10.0
"""Seconds for a process to end, then it is killed; also for one to begin."""
PASS_PROCESS = b"agent.daemon"
"""Word of its command line."""
PAUSE = 5.0
"""Seconds before a process that has ended is started again."""

PID_FILES = {
    "dovecot": "/run/chainwright/dovecot/master.pid",
    "postfix": "/var/spool/chainwright-postfix/pid/master.pid",
    "webui": "/run/chainwright-web/webui.pid",
}
"""Below ``--root``: pid files that aren't beside the others."""


class WebUI:
    """The web interface's process, started again when it ends."""

    def __init__(self, layout: Layout, ring: Callable[[], object], pause: float = PAUSE) -> None:
        """`ring` is called, from another thread, when the process has ended and may be started again, `pause` seconds later."""
        self._layout = layout
        self._ring = ring
        self._pause = pause
        self._process: subprocess.Popen[bytes] | None = None
        self._watched = False
        self._closing = threading.Event()
        self.pid_file = layout.rooted(PID_FILES["webui"])
        self.log = layout.log / "webui.log"

    @property
    def can_start(self) -> bool:
        """Whether there is a generation to serve, and it's time."""
        return not self._watched and self._layout.module("webui").live.exists()

    def start(self) -> bool:
        """Start it, and wait until it listens or has ended."""
        root = str(self._layout.root)
        argv = [sys.executable, "-P", "-m", "agent", "--root", root, "webui"]
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for the demo, which then ends this process in its turn.
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._watched = True
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()
        return self._comes_up(self._process)

    def stop(self) -> None:
        """End it."""
        self._closing.set()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(GRACE)

    def _comes_up(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and process.poll() is None:
            if process_of(self.pid_file, self._layout.root) == process.pid:
                return True
            self._closing.wait(0.02)
        return False

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        if not self._closing.wait(self._pause):
            self._watched = False  # before the ring: who is woken by it looks at once
            self._ring()


def end_all(layout: Layout) -> list[str]:
    """End every process of this appliance that has a pid file, of an earlier demo too. Return their names."""
    ended = []
    for name, pid_file in _pid_files(layout):
        with contextlib.suppress(NoProcess), handle_of(pid_file, layout.root) as (pid, handle):
            if _belongs_to(pid, layout):
                _end(handle)
                ended.append(name)
        # It may name another process by now, which would get the signals that are meant for ours.
        pid_file.unlink(missing_ok=True)
    _remove_sockets(layout)
    return ended


def end_passes(layout: Layout) -> None:
    """End the process that makes passes of an earlier demo that was killed: it would deploy while its services end."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(int(process.name))
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                if PASS_PROCESS in words and os.fsencode(layout.root) in words:
                    _end(handle)
            finally:
                os.close(handle)


def _remove_sockets(layout: Layout) -> None:
    """Remove sockets and pipes that services leave behind when they end: charon and Dovecot do."""
    for place, _, names in os.walk(layout.run):
        for each in (Path(place) / name for name in names):
            with contextlib.suppress(FileNotFoundError):  # its owner, which is ending, has just removed it
                if stat.S_IFMT(each.lstat().st_mode) in {stat.S_IFSOCK, stat.S_IFIFO}:
                    each.unlink()


def _pid_files(layout: Layout) -> list[tuple[str, Path]]:
    """Return those that are there, by the names of their programs."""
    elsewhere = [(name, layout.rooted(path)) for name, path in PID_FILES.items()]
    found = [*((each.stem, each) for each in layout.run.glob("*.pid")), *elsewhere]
    return sorted((each for each in found if each[1].exists()), key=lambda each: f"{each[0]}.pid")


def _end(handle: int) -> None:
    """End the process of a pidfd and wait until it has."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, number)
        if select.select([handle], [], [], GRACE)[0]:
            return


def _belongs_to(pid: int, layout: Layout) -> bool:
    """Whether the command line of a process names a file below the appliance's root, or the root itself, or it works there."""
    process = Path(f"/proc/{pid}")
    try:
        words, place = (process / "cmdline").read_bytes(), (process / "cwd").readlink()
    except OSError:
        return False
    root = os.fsencode(layout.root)
    return root + b"/" in words or root + b"\0" in words or place.is_relative_to(layout.root)
