"""The server of `prepared`: `prepared_server.py LISTENER DIRECTORY` imports the agent and its plugins, then forks for each call.

It does nothing else, so that no process finds what another one has left: in a child the frames of the server return, and the
child goes on as an interpreter that was started with the arguments of the call.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import io
import json
import os
import pkgutil
import runpy
import selectors
import shutil
import signal
import socket
import sys
import threading
import types
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

LIMIT = 1 << 18
IMPORTED_WHEN_USED = (
    "acme.client", "anyio._backends._asyncio", "dns.query", "dns.resolver", "dns.tsigkeyring", "dns.update", "encodings.idna",
    "jinja2.sandbox", "pty", "requests", "sqlite_utils", "starlette.applications", "uvicorn.lifespan.off",
    "uvicorn.protocols.http.h11_impl",
)  # fmt: skip
"""Modules of others that the agent imports inside functions."""
ROOM = "." * 4096
"""Last argument of the process: the place in memory for the command line of a child."""


def prepare() -> None:
    """Import all that the agent and its plugins have, and let no collection of garbage touch it again."""
    for package in ("agent", "chainwright", "plugins"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    for name in IMPORTED_WHEN_USED:
        import_module(name)
    gc.collect()
    gc.freeze()


class Server:
    """Calls that wait for the end of a process each."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._running: dict[int, tuple[int, socket.socket]] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)

    def next_child(self) -> tuple[dict[str, Any], list[int]] | None:
        """Return the call and the descriptors of a child, in the child; None in the server, when nobody calls any more."""
        while True:
            for key, _ in self._selector.select():
                if key.fd == 0:
                    return None
                if key.fileobj is not self._listener:
                    self._ended(key.fd)
                elif child := self._called():
                    return child

    def _called(self) -> tuple[dict[str, Any], list[int]] | None:
        caller = self._listener.accept()[0]
        message, descriptors, _, _ = socket.recv_fds(caller, LIMIT, 64)
        pid = os.fork()
        if pid == 0:
            self._close(caller)
            return json.loads(message), descriptors
        for each in descriptors:
            os.close(each)
        self._tell(caller, pid)
        end = os.pidfd_open(pid)
        self._running[end] = pid, caller
        self._selector.register(end, selectors.EVENT_READ)
        return None

    def _ended(self, end: int) -> None:
        self._selector.unregister(end)
        os.close(end)
        pid, caller = self._running.pop(end)
        self._tell(caller, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        caller.close()

    def _tell(self, caller: socket.socket, number: int) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has given up
            caller.send(str(number).encode())

    def _close(self, caller: socket.socket) -> None:
        self._selector.close()
        for end, (_, other) in self._running.items():
            os.close(end)
            other.close()
        for each in (self._listener, caller):
            each.close()


def become(call: dict[str, Any], descriptors: list[int]) -> None:
    """Be the process that is asked for, but for the program."""
    aside = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 1000) for each in descriptors]
    for each in descriptors:
        os.close(each)
    for each, number in zip(aside, call["descriptors"], strict=True):
        os.dup2(each, number)
        os.close(each)
    os.umask(call["umask"])
    os.chdir(call["directory"])
    os.environ.clear()
    os.environ.update(call["environment"])
    _write_command_line([sys.executable, *call["argv"]])
    sys.orig_argv[:] = [sys.executable, *call["argv"]]
    errors = sys.stdout.errors
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding=sys.stdin.encoding, errors=errors, closefd=False)
    sys.stdout = sys.__stdout__ = _output(1, errors)
    sys.stderr = sys.__stderr__ = _output(2, "backslashreplace")


def _output(number: int, errors: str) -> io.TextIOWrapper:
    """Return what Python makes of a descriptor at its start (create_stdio in pylifecycle.c); the encoding is the server's."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    return io.TextIOWrapper(
        os.fdopen(number, "wb", 0 if unbuffered else -1, closefd=False),
        encoding=sys.stdin.encoding,
        errors=errors,
        line_buffering=not unbuffered and (number == 2 or os.isatty(number)),
        write_through=unbuffered,
    )


def _write_command_line(words: list[str]) -> None:
    """Let ps(1) and /proc show it."""
    first, behind = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    written = b"\0".join(map(os.fsencode, words))[: behind - first - 1]
    ctypes.memmove(first, written.ljust(behind - first, b"\0"), behind - first)


def run(words: list[str]) -> None:
    """Run the program, as the interpreter does with these arguments."""
    safe = words[0] == "-P"
    match words[safe:]:
        case ["-m", module, *rest]:
            sys.argv = ["-m", *rest]
            sys.path[:0] = [] if safe else [str(Path.cwd())]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *rest]:
            sys.argv = ["-c", *rest]
            sys.path[:0] = [] if safe else [""]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(code, "<string>", "exec"), main.__dict__)
        case [path, *rest]:
            sys.argv = [path, *rest]
            sys.path[:0] = [] if safe else [str(Path(path).resolve().parent)]
            runpy.run_path(path, run_name="__main__")


def _exit_code(words: list[str]) -> int:
    """Run the program; return the code with which the interpreter would end."""
    try:
        run(words)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _end(code: int) -> None:
    """End as the interpreter does, but for taking the modules apart, which takes longer than most programs."""
    threading._shutdown()  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    for each in (sys.stdout, sys.stderr):
        try:
            each.flush()
        except OSError:
            code = code or 120  # as Py_FinalizeEx() says it
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def main(listener: int, directory: str) -> None:
    """Serve; in a child run its program."""
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the tests, which end it
    with socket.socket(fileno=listener) as found:
        server = Server(found)
        prepare()
        child = server.next_child()
    if child is None:
        shutil.rmtree(directory)
        return
    signal.signal(signal.SIGINT, interrupted)
    become(*child)
    _end(_exit_code(child[0]["argv"]))


if __name__ == "__main__":
    if sys.argv[-1] != ROOM:
        os.execv(sys.executable, [sys.executable, "-P", *sys.argv, ROOM])
    main(int(sys.argv[1]), sys.argv[2])
