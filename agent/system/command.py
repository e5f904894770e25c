"""Commands and signals that the core runs for a plugin: argument lists, never shell strings."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from os import PathLike
from pathlib import Path
from typing import IO, Protocol

from agent.system.activity import COMMAND_SECONDS, Activity
from agent.system.argument_types import refuse_wrong_types
from agent.system.environment import environment_with
from agent.system.processes import NoProcess, handle_of
from agent.system.text import printable
from agent.system.transient_unit import BOOTED, environment_file, in_unit_of_its_own, is_in_unit
from agent.system.trust import TOP

NOT_FOUND = 127
"""Exit code of programs that start another one and don't find it (POSIX: env, nohup, time, xargs)."""
OUTPUT_LIMIT = 16_384
"""Characters of a command's output that are kept for the error."""
LAST_LINES = 20
"""Lines of a command's output that are shown to people."""
STAMP = re.compile(
    r"^\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d\S*\s+(?:[A-Z]{3,5} \[\d+\] )?|(?<=\]) \d+#\d+:|(?<=\]) +\(\d+\) :"
)
"""Instant and process before a line of a log, as nginx, HAProxy and PostgreSQL write them: other ones at each try."""
TELLING = ("emerg", "alert", "unrecognized", "error", "fatal", "fail")
"""Words of a line that says what is wrong."""
SYSTEMCTL = "systemctl"
NOT_BOOTED = "System has not been booted with systemd"
"""What systemctl says then (sd_booted(3))."""
NO_SYSTEMD = "systemd does not run here"
INTERPRETER = re.compile(r"python[0-9.]*")


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its arguments. The first argument is looked up on PATH as `execvp` does."""

    argv: tuple[str, ...]
    _: KW_ONLY
    timeout: float = 60.0
    """Seconds; then the whole process group is killed."""
    strict: bool = False
    """Whether any line on stderr counts as a failure: for programs whose exit code lies (postmap, swanctl)."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the agent's own environment."""
    keeps: int = OUTPUT_LIMIT
    """Characters of its output that are kept, from the end."""
    stays: bool = False
    """Whether it leaves a daemon behind: systemd gives that a unit of its own where the agent is in one."""

    def __post_init__(self) -> None:
        if isinstance(self.argv, str | bytes) or not self.argv:
            raise TypeError("a command is a tuple of arguments, for example ('nginx', '-t'), not a shell string")
        argv = (str(each) if isinstance(each, int | float | PathLike) else each for each in self.argv)
        object.__setattr__(self, "argv", tuple(argv))
        refuse_wrong_types(self)
        if any("\0" in argument for argument in self.argv):
            raise ValueError("an argument of a command can't hold a NUL byte")
        if not _is_passable("".join(self.argv)):
            raise ValueError("an argument of a command holds half of a surrogate pair, which is no text")
        if self.environment and not _is_environment(self.environment):
            raise TypeError("the environment of a command maps names to texts, for example {'LANG': 'C'}")

    def __str__(self) -> str:
        return " ".join(self.argv)

    @property
    def shown(self) -> str:
        """Name of the program, or of the script or module that Python runs: what a sentence has room for."""
        program = Path(self.argv[0]).name
        if not INTERPRETER.fullmatch(program):
            return program
        found = next((each for each in self.argv[1:] if not each.startswith("-")), program)
        return Path(found).stem if "/" in found else found


def _is_passable(text: str) -> bool:
    """Whether a process can be given a text; octets that are no UTF-8 are, as `os.fsdecode` writes them."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _is_environment(values: object) -> bool:
    if not isinstance(values, Mapping):
        return False
    texts = [each for pair in values.items() for each in pair]
    return all(isinstance(each, str) and "\0" not in each and _is_passable(each) for each in texts)


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal to the process whose number `pid_file` holds."""

    pid_file: Path
    _: KW_ONLY
    name: str = "HUP"

    def __post_init__(self) -> None:
        refuse_wrong_types(self)
        if f"SIG{self.name}" not in signal.Signals.__members__:
            raise ValueError(f'there is no signal "{self.name}", write for example "HUP" or "USR1"')

    def __str__(self) -> str:
        return f"SIG{self.name} to the process of {self.pid_file}"

    @property
    def shown(self) -> str:
        """The signal's name."""
        return f"SIG{self.name}"


Action = Command | Signal


@dataclass(frozen=True, slots=True)
class CommandResult:
    """Result of an action."""

    action: Action
    ok: bool
    exit_code: int | None
    """None: it was not started, or had to be killed."""
    output: str
    """stdout, then stderr: the last `OUTPUT_LIMIT` characters."""
    seconds: float
    missing: bool = False
    """Whether the program, or one that it starts, is not installed; or no process has that number."""
    timed_out: bool = False

    @property
    def summary(self) -> str:
        """The most telling line without its instant: the first that names an error, else the last one."""
        if self.timed_out:
            return f"no answer within {self.action.timeout:g} s" if isinstance(self.action, Command) else "no answer"
        lines = [without_stamp(line.strip()) for line in self._lines]
        telling = [line for line in lines if any(word in line.lower() for word in TELLING)]
        return (telling or lines[-1:] or [self._ending])[0]

    @property
    def reason(self) -> str:
        """The summary as the end of a sentence that begins with the program's name."""
        return self.summary.removeprefix(f"{self.action.shown}: ").rstrip(".")

    @property
    def account(self) -> str:
        """The whole command, and the last lines of what it printed."""
        return "\n".join([f"$ {self.action}", *self._lines[-LAST_LINES:]])

    @property
    def _lines(self) -> list[str]:
        """What was printed, fit for a terminal: it may quote what a stranger has sent."""
        return [printable(line.expandtabs(), OUTPUT_LIMIT) for line in self.output.splitlines() if line.strip()]

    @property
    def lacks_systemd(self) -> bool:
        """Whether it failed because a command of systemd was given where systemd is not the first process, or isn't there."""
        words = self.action.argv if isinstance(self.action, Command) else ()
        return not self.ok and SYSTEMCTL in words and (self.missing or NOT_BOOTED in self.output)

    @property
    def absence(self) -> str:
        """Why a command is missing, as a clause."""
        if self.lacks_systemd:
            return NO_SYSTEMD
        return self.summary if self.exit_code == NOT_FOUND else f"{str(self.action).split()[0]} is not installed"

    @property
    def _ending(self) -> str:
        code = self.exit_code or 0
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def without_stamp(line: str) -> str:
    """Return a line of a log without its instant and process, which differ at each try."""
    return STAMP.sub("", line)


class Runner(Protocol):
    """Runner of actions; a test may count, delay or refuse them."""

    def run(self, action: Action) -> CommandResult:
        """Run `action` to its end or timeout. Never raises for what the program does."""


class SystemRunner:
    """Runner of actions on this machine."""

    def __init__(self, root: Path = TOP, activity: Activity | None = None, booted: Path = BOOTED) -> None:
        """`root`: of the appliance. `activity`: what tells others which command runs.

        `booted` is there where systemd is the first process.
        """
        self._root = root
        self._activity = activity or Activity()
        self._booted = booted

    def run(self, action: Action) -> CommandResult:
        """Run `action` to its end or timeout."""
        seconds = COMMAND_SECONDS + (action.timeout if isinstance(action, Command) else 0.0)
        with self._activity.doing(f"service {action.shown}", f"the command {action}", seconds):
            return self._run(action)

    def _run(self, action: Action) -> CommandResult:
        started = time.monotonic()
        if isinstance(action, Signal):
            return _send(action, started, self._root)
        return _spawn(action, started, self._booted)


def _send(action: Signal, started: float, root: Path) -> CommandResult:
    try:
        with handle_of(action.pid_file, root) as (pid, handle):
            signal.pidfd_send_signal(handle, signal.Signals[f"SIG{action.name}"])
    except NoProcess as error:
        return _not_there(action, str(error))
    except ProcessLookupError:
        return _not_there(action, f"no process has the number in {action.pid_file}")
    except OSError as error:
        text = f"process {pid}: {error.strerror}"
        return CommandResult(action, ok=False, exit_code=None, output=text, seconds=0.0)
    return CommandResult(action, ok=True, exit_code=0, output="", seconds=time.monotonic() - started)


def _not_there(action: Action, text: str) -> CommandResult:
    return CommandResult(action, ok=False, exit_code=None, output=text, seconds=0.0, missing=True)


def _spawn(command: Command, started: float, booted: Path) -> CommandResult:
    """Run a program with its output in files: a daemon that it leaves behind would keep a pipe open.

    The files are in memory, so that a full disk stops no command.
    """
    with _memory("out") as out, _memory("err") as err, _memory("environment") as environment:
        try:
            process = subprocess.Popen(
                _argv(command, (out, err, environment), booted),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment_with(command.environment),
                start_new_session=True,
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            return _not_there(command, f"{command.argv[0]}: {error.strerror}")
        except OSError as error:
            text = f"{command.argv[0]}: {error.strerror}"
            return CommandResult(command, ok=False, exit_code=None, output=text, seconds=0.0)
        timed_out = _wait(process, command.timeout)
        stdout, stderr = _tail(out, command.keeps), _tail(err, command.keeps)
    ok = process.returncode == 0 and not timed_out and not (command.strict and stderr.strip())
    return CommandResult(
        command,
        ok=ok,
        exit_code=None if timed_out else process.returncode,
        output=(stdout + stderr)[-command.keeps :],
        seconds=time.monotonic() - started,
        missing=process.returncode == NOT_FOUND,
        timed_out=timed_out,
    )


def _memory(name: str) -> IO[bytes]:
    """Open a file in memory that others may write to as well, each at its end."""
    file = os.fdopen(os.memfd_create(name), "w+b")
    fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
    return file


def _argv(command: Command, files: tuple[IO[bytes], IO[bytes], IO[bytes]], booted: Path) -> Sequence[str]:
    if not command.stays or not is_in_unit(os.environ, booted):
        return command.argv
    out, err, environment = files
    environment.write(environment_file(command.environment))
    environment.flush()
    return in_unit_of_its_own(command.argv, out.fileno(), err.fileno(), environment.fileno(), command.timeout)


def _wait(process: subprocess.Popen[bytes], timeout: float) -> bool:
    """Wait for the end. Return whether the process group had to be killed: a script may leave children behind."""
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def _tail(file: IO[bytes], limit: int) -> str:
    """Return the end of a program's output, which may be gigabytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 4 * limit))  # a character has up to four bytes
    return file.read().decode(errors="replace")[-limit:]
