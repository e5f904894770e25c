"""Watch for input and output in hooks, by the interpreter's audit events: which line of a plugin does what."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import FrameType

OPENS = frozenset({"open", "os.listdir", "os.scandir", "sqlite3.connect"})
CHANGES = frozenset(
    {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}
)
ASKS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.bind", "urllib.Request"})
RUNS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"})
IMPORTING = "<frozen importlib"
"""Beginning of the file names of the interpreter's own import."""


@dataclass(frozen=True)
class Done:
    """What a line of a plugin has done while a hook was asked."""

    what: str
    """Predicate of a sentence: `opens /etc/hosts`."""
    place: str
    """`FILE:LINE`."""


class IoWatch:
    """The watch. A thread is watched while it is in `watching`."""

    def __init__(self) -> None:
        self._watched = threading.local()

    @contextmanager
    def watching(self, is_plugin: Callable[[str], bool], note: Callable[[Done], object]) -> Iterator[None]:
        """Note what is done in this thread by files of which `is_plugin` is true, or by what they call."""
        before = getattr(self._watched, "by", None)
        self._watched.by = is_plugin, note
        try:
            yield
        finally:
            self._watched.by = before

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an audit event; each of the process comes here."""
        watched = getattr(self._watched, "by", None)
        if watched is None or (what := _told(event, arguments)) is None:
            return
        is_plugin, note = watched
        self._watched.by = None  # what is done from here on is not the plugin's
        try:
            place = _place(sys._getframe(1), is_plugin)
            if place:
                note(Done(what, place))
        finally:
            self._watched.by = watched


@cache
def io_watch() -> IoWatch:
    """Return the watch of this process: an audit hook can't be taken out again, so there is one."""
    watch = IoWatch()
    sys.addaudithook(watch.hear)
    return watch


def _told(event: str, arguments: tuple[object, ...]) -> str | None:
    """Return what an event tells, as a predicate; None: nothing that is watched for."""
    first = arguments[0] if arguments else ""
    if event in OPENS:
        return None if isinstance(first, int) else f"opens {first}"
    if event in CHANGES:
        return f"changes {first}"
    if event in ASKS:
        return f"asks the network for {arguments[1] if event in {'socket.connect', 'socket.bind'} else first}"
    return f"starts the program {first}" if event in RUNS else None


def _place(frame: FrameType | None, is_plugin: Callable[[str], bool]) -> str:
    """Return the innermost line of the plugin; empty: it is none of it that acts, or something is being imported."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(IMPORTING):
            return ""
        if is_plugin(name):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
