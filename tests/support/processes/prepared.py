"""Processes that have imported the agent before they start: a server of the whole run forks one for each call.

An interpreter that imports what a command needs takes 0.3 s of CPU time and more, a fork of one that has done so a tenth of it.
All else is as for any other process: arguments, environment, directory, umask, descriptors, signals, its end. A test whose
subject is the start itself (what is imported, limits, another user, a wrapper) starts an interpreter of its own; so does
`start` where the environment tells the interpreter, or a library, something that it hasn't told the server.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

SERVER = "TEST_PREPARED_PROCESSES"
"""In the environment: path of the server's socket."""
READ_AT_THE_START = ("GCONV", "LANG", "LC_", "LD_", "MALLOC_", "OPENSSL_", "PYTHON", "TZ")
"""What the names of variables begin with that are read once, before a program does anything."""
LIMIT = 1 << 18
"""Octets of one message."""
File = int | IO[Any] | None


def serve() -> None:
    """Start the server of this process and of those below it; it ends with this one."""
    place = Path(tempfile.mkdtemp(prefix="cw-"))
    os.environ[SERVER] = str(place / "server")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(os.environ[SERVER])
        listener.listen(64)
        argv = [sys.executable, "-P", str(Path(__file__).with_name("prepared_server.py")), str(listener.fileno())]
        # The other end of its standard input is open for as long as this process lives.
        server = subprocess.Popen([*argv, str(place)], stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
    atexit.register(server.communicate)


class Process:
    """One process, as subprocess.Popen has it; its parent is the server."""

    def __init__(self, call: dict[str, Any], descriptors: Sequence[int]) -> None:
        self.args = call["argv"]
        self.returncode: int | None = None
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server.connect(os.environ[SERVER])
        socket.send_fds(self._server, [json.dumps(call).encode()], descriptors)
        self.pid = self._told()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._server], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = self._told()
            self._server.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _told(self) -> int:
        said = self._server.recv(LIMIT)
        assert said, "the server of prepared processes has ended; its last words are on stderr"
        return int(said)


def start(
    argv: Sequence[str | Path],
    *,
    stdin: File = subprocess.DEVNULL,
    stdout: File = None,
    stderr: File = None,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Process | subprocess.Popen[bytes]:
    """Start ``python ARGV``, as ``subprocess.Popen([sys.executable, *argv])`` does, without pipes."""
    words = [str(each) for each in argv]
    environment = dict(os.environ if env is None else env)
    if _read_at_the_start(environment) != _read_at_the_start(os.environ):
        files = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        return subprocess.Popen([sys.executable, *words], env=environment, cwd=cwd, pass_fds=pass_fds, **files)
    if SERVER not in os.environ:
        serve()
    call = {"argv": words, "environment": environment, "directory": str(cwd or Path.cwd()), "umask": _umask()}
    with Path(os.devnull).open("r+b") as nothing:
        files = [_descriptor(file, own, nothing) for own, file in enumerate((stdin, stdout, stderr))]
        return Process(call | {"descriptors": [0, 1, 2, *pass_fds]}, [*files, *pass_fds])


def run(
    argv: Sequence[str | Path],
    *,
    typed: str = "",
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    together: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run ``python ARGV`` to its end. `typed`: what is on its standard input; `together`: its errors are in its output."""
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(tempfile.TemporaryFile("w+")) for name in ("stdin", "stdout", "stderr")}
        files["stdin"].write(typed)
        files["stdin"].seek(0)
        process = start(argv, **files | ({"stderr": files["stdout"]} if together else {}), env=env, cwd=cwd)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        for file in files.values():
            file.seek(0)
        return subprocess.CompletedProcess(process.args, code, files["stdout"].read(), files["stderr"].read())


def _read_at_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_THE_START) and name != "PYTHONUNBUFFERED"  # the server heeds it
    }


def _umask() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1], 8) for line in lines if line.startswith("Umask:"))


def _descriptor(file: File, own: int, nothing: IO[bytes]) -> int:
    if file is None:
        return own
    if file == subprocess.DEVNULL:
        return nothing.fileno()
    return file if isinstance(file, int) else file.fileno()
