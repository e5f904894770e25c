"""`ChallengeWindows`: commands of the administrator around challenges: one opens a firewall, one says which node may ask.

A window is kept in the source's memory before it is opened. What a process left open that has died is closed by the next one that
deals with the CA, which goes on with the order, and what could not be closed is tried again then.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.errors.challenges import AnotherNode, WindowUnopened
from agent.sources.acme.families import family_of
from agent.system.processes import is_running, ticks_of
from agent.system.program import ProgramFailed, run_program

if TYPE_CHECKING:
    from agent.contract.source import Memory, SourceContext
    from agent.sources.acme.source import AcmeSource

KEY = "challenge windows"
"""In the memory of the source."""
PATIENCE = 20.0
"""Seconds for one call."""
ASKED_AGAIN = timedelta(minutes=5)


class ChallengeWindows:
    """Those of one CA in one process. May be used from several threads."""

    def __init__(self, source: AcmeSource, memory: Memory, addresses: Callable[[], Sequence[str]]) -> None:
        self._command = source.challenge_window
        self._only_if = source.only_if
        self._memory = memory
        self._addresses = addresses
        self._lock = threading.Lock()
        self._may_be_left = True

    def check_node(self, context: SourceContext) -> None:
        """Raise `AnotherNode` where this machine is not the one to ask the CA now."""
        if not self._only_if:
            return
        try:
            context.run(self._only_if, timeout=PATIENCE)
        except ProgramFailed as error:
            raise AnotherNode(self._only_if[0], str(error), context.now() + ASKED_AGAIN, error.said) from error

    def open(self, ports: Collection[int], names: Collection[str], retry_at: datetime) -> str:
        """Have a window opened; return its id, empty where the settings have no command. Raises `WindowUnopened`."""
        if not self._command or not ports:
            return ""
        families = sorted({family_of(each).lower() for each in self._addresses()})
        window = {
            "id": secrets.token_hex(4),
            "ports": ",".join(str(each) for each in sorted(ports)),
            "families": ",".join(families),
            "names": ",".join(sorted(names)),
            "command": list(self._command),
            "pid": os.getpid(),
            "ticks": ticks_of(os.getpid()),
        }
        with self._lock:
            self._keep([*self._kept(), window])
            try:
                _run(window, "open")
            except ProgramFailed as error:
                self._close([window])  # it may have been opened halfway
                raise WindowUnopened(self._command[0], str(error), sorted(names), retry_at, error.said) from error
        return str(window["id"])

    def close(self, window_id: str) -> str:
        """Have a window closed; return why that failed, as a clause: it is tried again later. Raises nothing."""
        with self._lock:
            return self._close([each for each in self._kept() if each["id"] == window_id])

    def close_left(self) -> str:
        """Have all those closed that nobody needs any more; return why that failed, as a clause."""
        with self._lock:
            if not self._may_be_left:
                return ""
            failed = self._close([each for each in self._kept() if not is_running(each["pid"], each["ticks"])])
            self._may_be_left = bool(failed)
            return failed

    def _close(self, windows: Sequence[Mapping[str, Any]]) -> str:
        failed = ""
        for each in windows:
            try:
                _run(each, "close")
            except ProgramFailed as error:
                failed, self._may_be_left = str(error), True
                # whose process is gone, so that it is tried again
                self._keep([{**one, "pid": 0} if one["id"] == each["id"] else one for one in self._kept()])
            else:
                self._keep([one for one in self._kept() if one["id"] != each["id"]])
        return failed

    def _kept(self) -> list[dict[str, Any]]:
        return list(self._memory.read(KEY).get("open", []))

    def _keep(self, windows: Sequence[Mapping[str, Any]]) -> None:
        self._memory.write(KEY, {"open": list(windows)} if windows else {})


def _run(window: Mapping[str, Any], action: str) -> None:
    """Run the command that the window was opened by, without a shell. Raises `ProgramFailed`."""
    values = {**{key: str(window[key]) for key in ("id", "ports", "families", "names")}, "action": action}
    argv = list(window["command"])
    for key, value in values.items():
        argv = [each.replace(f"{{{key}}}", value) for each in argv]
    run_program(argv, timeout=PATIENCE)
