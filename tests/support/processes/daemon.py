"""The agent as a process, and its log; called as a program it is the agent itself, with a clock or a fault of the test's."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__)
sys.path.insert(0, str(HERE.parents[2]))  # for those who call it as a program

from agent.system.clock import Clock
from agent.system.clock_judgement import Reading
from agent.system.kernel_clock import KernelClock
from agent.system.layout import Layout
from support.processes import prepared
from support.processes.tree import pass_processes
from support.waiting import until


@dataclass
class Agent:
    """One process of ``chainwright run``."""

    layout: Layout
    environment: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-P", "-m", "agent", "run")

    def __enter__(self) -> Agent:
        self.log_file = self.layout.root / "agent.daemon.log"
        with self.log_file.open("wb") as log:
            argv = [*self.program, "--root", self.layout.root]
            self.process = prepared.start(argv, stdout=log, stderr=log, env={**os.environ, **self.environment})
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> list[str]:
        return self.log_file.read_text().splitlines()

    def count(self, words: str) -> int:
        return sum(words in line for line in self.log)

    def says(self, words: str, times: int = 1) -> None:
        """Wait until so many lines of the log hold `words`."""

        def said() -> bool:
            assert self.process.poll() is None or self.count(words) >= times, self.log
            return self.count(words) >= times

        until(said, seconds=40, what=words)

    def passes(self, reason: str, times: int = 1) -> None:
        """Wait until so many passes were made for this reason."""
        self.says(f"made a pass, because {reason};", times)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def pass_process(self) -> int | None:
        """Return the number of its pass process, None while it has none."""
        return next(iter(pass_processes(self.process.pid)), None)

    def ends(self) -> int:
        """Ask it to end; return the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(30)


def with_test_s_clock(offset: Path) -> tuple[str, ...]:
    """Return the program whose clock is ahead by the seconds that stand in the file `offset`."""
    return (str(HERE), "clock", str(offset))


def with_suspends(offset: Path) -> tuple[str, ...]:
    """Return the program on a machine that has slept for the seconds that stand in the file `offset`."""
    return (str(HERE), "suspend", str(offset))


def with_fault(fault: Path) -> tuple[str, ...]:
    """Return the program in which reading the host's facts raises while the file `fault` is there."""
    return (str(HERE), "fault", str(fault))


def with_idle_seconds(seconds: float) -> tuple[str, ...]:
    """Return the program whose pass process ends when nothing was under way for so long."""
    return (str(HERE), "idle", str(seconds))


def with_job_seconds(seconds: float) -> tuple[str, ...]:
    """Return the program whose jobs end after so long, though their orders go on."""
    return (str(HERE), "job", str(seconds))


def with_patience(seconds: float) -> tuple[str, ...]:
    """Return the program whose pass process is taken to hang when a hook or a command takes so long."""
    return (str(HERE), "patience", str(seconds))


def with_short_guard(seconds: float) -> tuple[str, ...]:
    """Return the program whose pass process waits for a plugin's answer for so long only."""
    return (str(HERE), "guard", str(seconds))


def _main(kind: str, told: str, layout: Layout) -> int:
    from agent.daemon import supervisor

    return supervisor.run(
        layout, clock=_clock(kind, told, layout), program=(sys.executable, str(HERE), "pass", kind, told)
    )


def _pass_process(kind: str, told: str, layout: Layout, who: str, *descriptors: str) -> int:
    from agent.daemon import pass_process
    from agent.engine.host import read_host
    from agent.registry.guard import Guard
    from agent.system.activity import Activity, Page

    def host(settings):
        if kind == "fault" and Path(told).exists():
            raise RuntimeError("a fault of the test's")
        return read_host(settings)

    end, activity = pass_process.inherited(*map(int, descriptors))
    if kind == "patience":
        activity = Activity(Page(int(descriptors[1])), patience=float(told))
    if kind == "guard":
        (Guard.__init__.__kwdefaults__ or {})["most"] = float(told)
    idle = float(told) if kind == "idle" else pass_process.IDLE_SECONDS
    job = float(told) if kind == "job" else pass_process.TIMEOUT
    return pass_process.serve(
        layout,
        end,
        who=who,
        clock=_clock(kind, told, layout),
        host=host,
        idle_seconds=idle,
        job_seconds=job,
        activity=activity,
    )


def _clock(kind: str, told: str, layout: Layout) -> Clock:
    moved = MovedKernel(Path(told), slept=kind == "suspend") if kind in {"clock", "suspend"} else None
    return Clock(layout.root, moved)


class MovedKernel(KernelClock):
    """The machine's clocks, of which the time of day is ahead by the seconds in a file, and no NTP.

    `slept`: so is the time since boot, in which a suspend is counted; the monotonic clock never is.
    """

    def __init__(self, offset: Path, *, slept: bool) -> None:
        super().__init__()
        self._offset = offset
        self._slept = slept

    def __call__(self) -> Reading:
        seen, ahead = super().__call__(), _offset(self._offset)
        return Reading(seen.wall + ahead, seen.since_boot + (ahead if self._slept else 0.0), seen.boot)

    def is_synchronised(self) -> bool:
        return False


def _offset(file: Path) -> float:
    with suppress(OSError, ValueError):
        return float(file.read_text())
    return 0.0


if __name__ == "__main__":
    if sys.argv[1] == "pass":
        _, _, kind, told, root, who, *descriptors = sys.argv
        sys.exit(_pass_process(kind, told, Layout(Path(root)), who, *descriptors))
    sys.exit(_main(sys.argv[1], sys.argv[2], Layout(Path(sys.argv[-1]))))
