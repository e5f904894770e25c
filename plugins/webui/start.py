"""Start of the process, and of the same process again: what it serves, and the sockets, which stay open."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals that wait until there are handlers for them."""


class Start:
    """What the process is started with."""

    def __init__(
        self,
        live: Path,
        listeners: Sequence[socket.socket],
        pid_file: Path,
        templates: Sequence[Path],
        api: Path,
        *,
        memory: int | None = None,
        again: bool = False,
    ) -> None:
        """`live`: the symbolic link of the generation. `templates`: the module's directories, the operator's first.

        `api`: the socket of the agent's API. `memory`: descriptor of what the process remembers; None: nothing. `again`: whether
        it has served before.
        """
        self.live = live
        self.listeners = listeners
        self.pid_file = pid_file
        self.templates = templates
        self.api = api
        self.memory = memory
        self.again = again

    def execute(self) -> None:
        """Execute the process with it, in place of the present one. Returns only by raising OSError."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for descriptor in self._descriptors():
            os.set_inheritable(descriptor, True)
        os.execv(sys.executable, [sys.executable, "-P", "-m", "plugins.webui", self._text()])  # noqa: S606 - there is none to be wanted

    @classmethod
    def read(cls, text: str) -> Start:
        """Read the argument of the process. Its sockets are open."""
        row = json.loads(text)
        started = cls(
            Path(row["live"]),
            [socket.socket(fileno=each) for each in row["listeners"]],
            Path(row["pid_file"]),
            [Path(each) for each in row["templates"]],
            Path(row["api"]),
            memory=row["memory"],
            again=row["again"],
        )
        for descriptor in started._descriptors():
            os.set_inheritable(descriptor, False)
        return started

    def remember(self, text: str) -> None:
        """Keep a text for the process that this one becomes: in memory, and in no file."""
        self.forget()
        if text:
            self.memory = os.memfd_create("webui")
            with open(self.memory, "wb", closefd=False) as file:
                file.write(text.encode())

    def remembered(self) -> str:
        """Return what was kept, empty if nothing was, and forget it."""
        if self.memory is None:
            return ""
        with open(os.dup(self.memory), "rb") as file:  # noqa: PTH123
            file.seek(0)
            text = file.read().decode()
        self.forget()
        return text

    def forget(self) -> None:
        """Drop what was kept."""
        if self.memory is not None:
            os.close(self.memory)
        self.memory = None

    def _descriptors(self) -> Iterable[int]:
        return [*(each.fileno() for each in self.listeners), *([] if self.memory is None else [self.memory])]

    def _text(self) -> str:
        row = {
            "live": str(self.live),
            "listeners": [each.fileno() for each in self.listeners],
            "pid_file": str(self.pid_file),
            "templates": [str(each) for each in self.templates],
            "api": str(self.api),
            "memory": self.memory,
            "again": self.again,
        }
        return json.dumps(row)
