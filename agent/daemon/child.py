"""A process that the supervisor has started."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence


class Child:
    """One process in a session of its own: Ctrl-C is for the supervisor, which then ends it."""

    def __init__(
        self,
        argv: Sequence[str],
        descriptors: Iterable[int] = (),
        output: int | None = None,
        said: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it; a program without a slash is looked for on PATH. `descriptors` keep their numbers in it.

        `output`: where its stderr goes; None: where this one's goes. `said`: where what it prints goes, without its stderr; None:
        nowhere. `environment`: default this one's. Raises OSError.
        """
        given = list(descriptors)
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ]
        if said is not None:
            actions += [(os.POSIX_SPAWN_DUP2, said, 1), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
        if output is not None:
            actions.append((os.POSIX_SPAWN_DUP2, output, 2))
        for each in given:
            os.set_inheritable(each, True)
        try:
            # vfork(2) in effect: it costs the same however much memory this process has.
            given_environment = os.environ if environment is None else environment
            self.pid = os.posix_spawnp(argv[0], list(argv), given_environment, file_actions=actions, setsid=True)
        finally:
            for each in given:
                os.set_inheritable(each, False)
        self.handle = self._opened()
        """Can be read when it has ended."""

    def _opened(self) -> int:
        """Return the pidfd. Raises OSError, and has ended the process, which nobody could look after."""
        try:
            return os.pidfd_open(self.pid)
        except OSError:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise

    def ended(self) -> int | None:
        """Return its exit code, minus the signal that ended it, or None while it lives.

        Call it until there is a code, and not after that. What it has forked ends with it: else that held its locks and sockets.
        """
        if os.waitid(os.P_PIDFD, self.handle, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # while the number is still its own
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one to a process that has ended is lost."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, number)

    def close(self) -> None:
        """Close its handle, when it has ended."""
        os.close(self.handle)


def ending(code: int) -> str:
    """Say how a process ended, as a clause."""
    return f"it ended with code {code}" if code >= 0 else f"signal {-code} ended it"


def kill_commands(pid: int) -> None:
    """Kill the commands that a process runs: each has a session of its own."""
    for child in _children(pid):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(child) == child:
                os.killpg(child, signal.SIGKILL)


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - cheap to import
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:  # noqa: PTH123
                yield from map(int, file.read().split())
