"""Files in the directory of another client: read within it alone, and bounded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from agent.errors.importing import FileUntrusted, ImportRefused, LinkDangles, LinkLeadsOut, TooManyEntries
from agent.errors.usage import InputUnreadable
from agent.system.trust import Untrusted, read

LARGEST = 256 * 1024
"""Bytes of a file: a chain of eight certificates has 20 kB."""
MOST = 2000
"""Entries of a directory that is listed."""


class ClientFiles:
    """The directory of another ACME client."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._real = directory.resolve()

    def directories(self, *under: str) -> list[Path]:
        """Return the directories in one of these, by name. Raises `TooManyEntries`."""
        return [each for each in self._entries(*under) if each.is_dir()]

    def files(self, *under: str) -> list[Path]:
        """Return what isn't a directory, by name. Raises `TooManyEntries`."""
        return [each for each in self._entries(*under) if not each.is_dir()]

    def _entries(self, *under: str) -> list[Path]:
        place = self.directory.joinpath(*under)
        if not place.is_dir() or not place.resolve().is_relative_to(self._real):
            return []
        found: list[Path] = []
        for each in place.iterdir():
            found.append(each)
            if len(found) > MOST:
                raise TooManyEntries(str(place), MOST)
        return sorted(found)

    def read(self, path: Path) -> bytes:
        """Read a file that nobody but root, the caller and one other user can have written. Symbolic links lead inside.

        Raises `InputUnreadable`, and of `ImportRefused` `LinkLeadsOut`, `LinkDangles`, `FileUntrusted`.
        """
        try:
            real = path.resolve(strict=True)
            if not real.is_relative_to(self._real):
                raise LinkLeadsOut(str(path), str(self.directory))
            return read(real, largest=LARGEST, links=False, of_a_user=True).data
        except Untrusted as error:
            raise FileUntrusted(str(path), error.reason, error.fix) from error
        except FileNotFoundError as error:
            if path.is_symlink():
                raise LinkDangles(str(path), str(self.real(path))) from error
            raise InputUnreadable(str(path), "no such file or directory") from error
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InputUnreadable(str(path), reason.lower()) from error

    def real(self, path: Path) -> Path:
        """Return where a file is that symbolic links lead to."""
        return path.resolve()

    def text(self, path: Path) -> str:
        """Return a file that says more of another one; empty where it can't be read."""
        try:
            return self.read(path).decode(errors="replace")
        except (InputUnreadable, ImportRefused):
            return ""

    def json(self, path: Path) -> dict[str, Any]:
        """Return a JSON object; empty where there is none."""
        try:
            found = json.loads(self.text(path) or "{}")
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def value(self, path: Path, name: str) -> str:
        """Return a value of a file of ``NAME=VALUE`` lines, as INI files and assignments of shells have them; empty: none.

        Nothing is expanded: a value with a variable in it is none.
        """
        found = re.search(
            rf"^[ \t]*{re.escape(name)}[ \t]*=[ \t]*([\"']?)([^\"'\s$`]*)\1[ \t]*(?:#.*)?$", self.text(path), re.M
        )
        return found[2] if found else ""


def text_of(found: object) -> str:
    """Return a value of a JSON object that is to be a text; empty where it is another thing."""
    return found if isinstance(found, str) else ""
