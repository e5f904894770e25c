"""Plugins by the files of their packages: who is to blame for what was raised, or for what doesn't end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple

from agent.registry.wrapper_faults import code_in


class Place(NamedTuple):
    """Line in a file of a plugin."""

    plugin: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Culprits:
    """Finder of the plugin that a file belongs to."""

    def __init__(self, homes: Callable[[], Iterable[tuple[str, Path]]] = tuple) -> None:
        """`homes`: plugins with their files and directories, asked for when something has failed."""
        self._homes = homes
        self._found: dict[str, str] = {}

    @cached_property
    def _by_path(self) -> dict[str, str]:
        """Paths of one plugin each: what several share says nothing."""
        owners: dict[str, set[str]] = defaultdict(set)
        for plugin, path in self._homes():
            owners[str(path)].add(plugin)
        return {path: next(iter(names)) for path, names in owners.items() if len(names) == 1}

    def plugin_of(self, file: str) -> str:
        """Return the plugin that a file belongs to; empty: none."""
        if file not in self._found:
            above = (str(each) for each in (Path(file), *Path(file).parents))
            self._found[file] = next((self._by_path[each] for each in above if each in self._by_path), "")
        return self._found[file]

    def of_error(self, error: BaseException) -> Place | None:
        """Return the last place inside a plugin's files that an error has come through; None: there is none."""
        if isinstance(error, SyntaxError) and error.filename and (plugin := self.plugin_of(error.filename)):
            return Place(plugin, error.filename, error.lineno or 1)
        places = [self._place(*each) for each in _of_traceback(error.__traceback__)]
        last = next((each for each in reversed(places) if each), None)
        cause = error.__cause__ or error.__context__
        return last or (self.of_error(cause) if cause is not None and cause is not error else None)

    def of_frame(self, frame: FrameType | None) -> Place | None:
        """Return the innermost place inside a plugin's files of what runs; None: there is none."""
        while frame is not None:
            if found := self._place(frame.f_code.co_filename, frame.f_lineno):
                return found
            frame = frame.f_back
        return None

    def _place(self, file: str, line: int) -> Place | None:
        plugin = self.plugin_of(file)
        return Place(plugin, file, line) if plugin else None


def _of_traceback(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        if wrapper := code_in(traceback):
            yield wrapper.co_filename, wrapper.co_firstlineno
        traceback = traceback.tb_next
