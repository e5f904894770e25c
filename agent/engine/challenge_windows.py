"""Ways to this machine as long as a CA looks: what closes one is kept before it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from agent.contract.challenge_window import ChallengeWindow
from agent.engine.write_queue import Writer
from agent.errors.challenges import WindowUnopened
from agent.model.challenge_windows import PATIENCE, SETTING, OpenWindow
from agent.model.pause import back_off
from agent.store.processes import process_name
from agent.system.command import Command
from agent.system.program import ProgramFailed, run_program

Commands = Callable[[ChallengeWindow], Mapping[str, Command]]


@dataclass(frozen=True)
class StoredWindows:
    """`agent.contract.challenge_window.Windows` for one order."""

    writer: Writer
    now: Callable[[], datetime]
    order: tuple[str, str]
    """Id of the request, and source."""
    of_plugins: Commands
    """Return by plugin what opens or closes a window."""

    def open(
        self,
        window: ChallengeWindow,
        own: Callable[[ChallengeWindow], Command | None],
        retry_at: datetime | None = None,
    ) -> bool:
        """Have a window opened; return whether anything does that. Raises `WindowUnopened`."""

        def commands(asked: ChallengeWindow) -> dict[str, Command]:
            command = own(asked)
            return {**({SETTING: command} if command else {}), **self.of_plugins(asked)}

        opening = commands(window)
        closing = commands(replace(window, action="close")) if opening else {}
        rows = [self._row(window, by, closing[by]) for by in opening if by in closing]
        if rows:
            self.writer.write(lambda store: store.windows.put(rows))
        for each in rows:
            self._run(opening[each.by], window, retry_at)
        return bool(rows)

    def close(self, window_id: str) -> str:
        """Have a window closed; return why that failed, as a clause: it is tried again later."""
        rows = [each for each in self.writer.read(lambda store: store.windows.all()) if each.id == window_id]
        return "; ".join(why for why in (close_window(each, self.writer, self.now) for each in rows) if why)

    def _run(self, command: Command, window: ChallengeWindow, retry_at: datetime | None) -> None:
        try:
            _run(command)
        except ProgramFailed as error:
            self.close(window.id)  # it may have been opened halfway
            raise WindowUnopened(command.argv[0], str(error), window.names, retry_at, error.said) from error

    def _row(self, window: ChallengeWindow, by: str, closing: Command) -> OpenWindow:
        request, source = self.order
        return OpenWindow(
            id=window.id,
            by=by,
            source=source,
            request=request,
            ports=window.ports,
            names=window.names,
            argv=closing.argv,
            environment=closing.environment,
            seconds=min(closing.timeout, PATIENCE),
            process=process_name(),
            at=self.now(),
        )


def close_window(row: OpenWindow, writer: Writer, now: Callable[[], datetime]) -> str:
    """Have a window closed, then forget it; where that fails, note why and when it is tried again. Return why, as a clause."""
    try:
        _run(row.closing)
    except ProgramFailed as error:
        failed = _failed(row, str(error), now())
        writer.write(lambda store: store.windows.put([failed]))
        return failed.failed
    writer.write(lambda store: store.windows.delete([row]))
    return ""


def _failed(row: OpenWindow, why: str, now: datetime) -> OpenWindow:
    attempts = row.attempts + 1
    return replace(row, attempts=attempts, tried_at=now, retry_at=now + back_off(attempts), failed=why)


def _run(command: Command) -> None:
    """Run a command without a shell. Raises `ProgramFailed`."""
    run_program(command.argv, timeout=min(command.timeout, PATIENCE), environment=command.environment)
