"""What plugins print: standard output belongs to the command, so it goes to the log, line by line, with the plugin's name."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TextIO

from agent.errors.wording import escaped

MOST_LINES = 100
"""Of one call; of more the number is told."""
LONGEST_LINE = 500


class Speaker:
    """Collector of what a plugin prints during one call."""

    __slots__ = ("_lines", "_partial", "_plugin", "_say")

    def __init__(self, plugin: str, say: Callable[[str], object]) -> None:
        self._plugin = plugin
        self._say = say
        self._partial = ""
        self._lines = 0

    def hear(self, text: str) -> None:
        """Take over what is written; whole lines are told at once."""
        *lines, rest = (self._partial + text).split("\n")
        self._partial = rest[-LONGEST_LINE:]
        for line in lines:
            self._tell(line)

    def close(self) -> None:
        """Tell what is left."""
        if self._partial:
            self._tell(self._partial)
            self._partial = ""
        if self._lines > MOST_LINES:
            self._say(f"plugin {self._plugin} printed {self._lines - MOST_LINES} more lines")
        self._lines = 0

    def _tell(self, line: str) -> None:
        self._lines += bool(line.strip())
        if line.strip() and self._lines <= MOST_LINES:
            self._say(f"plugin {self._plugin} printed: {escaped(line[:LONGEST_LINE].rstrip())}")


SPEAKER: ContextVar[Speaker | None] = ContextVar("SPEAKER", default=None)
"""Who runs: set while a plugin is asked, in its thread alone."""


class PluginOutput:
    """Standard output that passes on what the agent writes, and not what is written while a plugin is asked."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._speaker = Speaker("in a thread of its own", _to_stderr)

    def _threads(self) -> Speaker | None:
        """Return who writes where it isn't the command, which is the main thread: plugins may leave threads behind."""
        return None if threading.current_thread() is threading.main_thread() else self._speaker

    def write(self, text: str) -> int:
        """Write, or tell the log."""
        speaker = SPEAKER.get() or self._threads()
        if speaker is None:
            return self._stream.write(text)
        speaker.hear(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several."""
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> Any:
        """The octets below; those of a plugin go to the log as well."""
        speaker = SPEAKER.get()
        return self._stream.buffer if speaker is None else _Octets(speaker)

    def close(self) -> None:
        """Close it, but not for a plugin."""
        if SPEAKER.get() is None:
            self._stream.close()

    def fileno(self) -> int:
        """Return the descriptor; a plugin gets that of standard error, to give it to a command."""
        return self._stream.fileno() if SPEAKER.get() is None else sys.stderr.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Octets:
    """Binary side of a plugin's output."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def write(self, octets: bytes) -> int:
        """Tell the log."""
        self._speaker.hear(bytes(octets).decode("utf-8", "replace"))
        return len(octets)

    def flush(self) -> None:
        """Keep nothing back."""


def _to_stderr(text: str) -> None:
    with suppress(OSError, ValueError):
        sys.stderr.write(f"{text}\n")


def listen() -> None:
    """Have standard output tell apart who writes. It stays so: a plugin that hangs may print later."""
    if sys.stdout is not None and type(sys.stdout) is not PluginOutput:
        sys.stdout = PluginOutput(sys.stdout)
