"""`ChallengeWindows`: commands around challenges, of the settings and of plugins, that open a firewall; one says which node asks.

A window is kept in the source's memory before it is opened. What a process left open that has died is closed by the next one that
deals with the CA, which goes on with the order, and what could not be closed is tried again then.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.contract.challenge_window import ChallengeWindow
from agent.errors.challenges import AnotherNode, WindowUnopened
from agent.model.challenge_windows import KEPT, SETTING
from agent.sources.acme.families import family_of
from agent.system.processes import is_running, ticks_of
from agent.system.program import ProgramFailed, run_program

if TYPE_CHECKING:
    from agent.contract.source import Memory, SourceContext
    from agent.sources.acme.source import AcmeSource
    from agent.system.command import Command

PATIENCE = 20.0
"""Seconds for one call."""
ASKED_AGAIN = timedelta(minutes=5)
FEW_NAMES = 20
"""So many names have their addresses looked up; an order for more is let in over each family of this machine."""


class ChallengeWindows:
    """Those of one CA in one process. May be used from several threads."""

    def __init__(
        self,
        source: AcmeSource,
        memory: Memory,
        own: Callable[[], Sequence[str]],
        addresses_of: Callable[[str], Sequence[str]] = lambda _name: (),
    ) -> None:
        """`own`: returns this machine's addresses; `addresses_of`: those of a name, none where that isn't known."""
        self._command = source.challenge_window
        self._only_if = source.only_if
        self._memory = memory
        self._own = own
        self._addresses_of = addresses_of
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

    def open(
        self,
        ports: Collection[int],
        names: Collection[str],
        retry_at: datetime,
        commands: Callable[[ChallengeWindow], Mapping[str, Command]] = lambda _window: {},
    ) -> str:
        """Have a window opened; return its id, empty where nothing opens one. Raises `WindowUnopened`.

        `commands`: returns those of plugins.
        """
        if not ports:
            return ""
        window = ChallengeWindow(
            id=secrets.token_hex(4),
            action="open",
            ports=tuple(sorted(ports)),
            families=self._families(names),
            names=tuple(sorted(names)),
        )
        rows = [*self._of_settings(window), *_of_plugins(window, commands)]
        with self._lock:
            if rows:
                self._keep([*self._kept(), *rows])
            for each in rows:
                try:
                    _run(each["open"])
                except ProgramFailed as error:
                    self._close(rows)  # it may have been opened halfway
                    raise WindowUnopened(
                        each["open"]["argv"][0], str(error), sorted(names), retry_at, error.said
                    ) from error
        return window.id if rows else ""

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

    def _close(self, rows: Sequence[Mapping[str, Any]]) -> str:
        failed = ""
        for row in rows:
            others = [each for each in self._kept() if (each["id"], each["by"]) != (row["id"], row["by"])]
            try:
                _run(row["close"])
            except ProgramFailed as error:
                failed, self._may_be_left = str(error), True
                # whose process is gone, so that it is tried again
                self._keep([*others, {**row, "pid": 0, "failed": failed}])
            else:
                self._keep(others)
        return failed

    def _families(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the families in which the names have addresses; those of this machine where one's are not known."""
        found = [self._addresses_of(name) for name in sorted(names)] if len(names) <= FEW_NAMES else [()]
        addresses = [one for each in found for one in each] + ([] if all(found) else [*self._own()])
        return tuple(sorted({family_of(each).lower() for each in addresses}))

    def _of_settings(self, window: ChallengeWindow) -> list[dict[str, Any]]:
        """Return the row of the command in the settings, where there is one."""
        if not self._command:
            return []
        argvs = {action: _argv(self._command, window, action) for action in ("open", "close")}
        return [_row(window, SETTING, {action: _call(argv) for action, argv in argvs.items()})]

    def _kept(self) -> list[dict[str, Any]]:
        return list(self._memory.read(KEPT).get("open", []))

    def _keep(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._memory.write(KEPT, {"open": list(rows)} if rows else {})


def _of_plugins(
    window: ChallengeWindow, commands: Callable[[ChallengeWindow], Mapping[str, Command]]
) -> list[dict[str, Any]]:
    """Return the rows of plugins: what closes a window is known before it is opened."""
    opening = commands(window)
    if not opening:
        return []
    closing = commands(replace(window, action="close"))
    return [
        _row(window, plugin, {"open": _call_of(opening[plugin]), "close": _call_of(closing[plugin])})
        for plugin in opening
        if plugin in closing
    ]


def _row(window: ChallengeWindow, by: str, calls: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is kept of a window that is opened `by` somebody."""
    process = {"pid": os.getpid(), "ticks": ticks_of(os.getpid())}
    return {"id": window.id, "by": by, "names": list(window.names), **process, **calls}


def _argv(command: Sequence[str], window: ChallengeWindow, action: str) -> list[str]:
    values = {
        "action": action,
        "id": window.id,
        "ports": ",".join(map(str, window.ports)),
        "families": ",".join(window.families),
        "names": ",".join(window.names),
    }
    argv = list(command)
    for key, value in values.items():
        argv = [each.replace(f"{{{key}}}", value) for each in argv]
    return argv


def _call_of(command: Command) -> dict[str, Any]:
    return _call(command.argv, command.environment, min(command.timeout, PATIENCE))


def _call(
    argv: Sequence[str], environment: Mapping[str, str] | None = None, seconds: float = PATIENCE
) -> dict[str, Any]:
    return {"argv": list(argv), "environment": dict(environment or {}), "seconds": seconds}


def _run(call: Mapping[str, Any]) -> None:
    """Run a command without a shell. Raises `ProgramFailed`."""
    run_program(call["argv"], timeout=call["seconds"], environment=call["environment"])
