"""nginx's configuration as nginx reads it, its includes followed: directives, with the file and line of each."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOKEN = re.compile(
    r"""\s+ | \#[^\n]*
    | (?P<word> "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | [;{}] | (?:\\.|\$\{[^}]*\}|[^\s;{}"'\\])(?:\\.|\$\{[^}]*\}|[^\s;{}\\])* )
    | . """,
    re.VERBOSE | re.DOTALL,
)
MOST_FILES = 50_000
DEEPEST = 10
"""Includes within includes: a file that includes itself has no end."""
LARGEST = 10_000_000
"""Octets of one file."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive; a block has others inside."""

    words: tuple[str, ...]
    place: Place
    inside: tuple[Directive, ...] = ()

    @property
    def name(self) -> str:
        """Return the first word."""
        return self.words[0]


@dataclass
class Reader:
    """Reader of a main file and of all that it includes; relative paths are below the main file's directory."""

    main: Path
    files: int = 0

    def read(self) -> tuple[Directive, ...]:
        """Return the directives of the main file. What can't be read is left out: nginx names it."""
        return tuple(self._file(str(self.main), 0))

    def _file(self, path: str, depth: int) -> Iterator[Directive]:
        self.files += 1
        if self.files > MOST_FILES or depth > DEEPEST:
            return
        try:
            with Path(path).open("rb") as file:
                text = file.read(LARGEST).decode(errors="replace")
        except OSError:
            return
        yield from self._block(_words(text), path, depth)

    def _block(self, words: Iterator[tuple[str, int]], path: str, depth: int) -> Iterator[Directive]:
        found: list[str] = []
        begun = 0
        for word, line in words:
            begun = begun if found else line
            if word == "}":
                return
            if word == ";" and found:
                yield from self._directive(tuple(found), Place(path, begun), depth)
                found = []
            elif word == "{":
                inside = tuple(self._block(words, path, depth))
                yield Directive(tuple(found) or ("",), Place(path, begun), inside)
                found = []
            elif word != ";":
                found.append(word)

    def _directive(self, words: tuple[str, ...], place: Place, depth: int) -> Iterator[Directive]:
        if words[0] != "include" or len(words) != 2:
            yield Directive(words, place)
            return
        for path in sorted(glob.glob(str(self.main.parent / words[1]))):  # noqa: PTH207 - as nginx does it
            yield from self._file(path, depth + 1)


def _words(text: str) -> Iterator[tuple[str, int]]:
    """Give the words of a file without their quotes, each with its line."""
    line, seen = 1, 0
    for found in TOKEN.finditer(text):
        word = found["word"]
        if word is None:
            continue
        line += text.count("\n", seen, found.start())
        seen = found.start()
        quoted = word[0] in "\"'" and len(word) > 1
        yield (word[1:-1] if quoted else word), line
