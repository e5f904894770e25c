"""Whether a daemon's main file includes another one, as its text says: for a sentence about what isn't served."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from agent.system.trust import read_regular

MOST_FILES = 1000
"""Files that are read."""


def includes(main_file: Path, included: Path, directive: re.Pattern[str], base: Path | None = None) -> bool:
    """Whether `main_file` includes `included`, itself or through others. Raises OSError, also where that is too much to read.

    `directive` matches an inclusion in one line, with a group for the path, which may have wildcards. A relative one is below
    `base`; None: below the directory of the file that names it.
    """
    waiting, known = [main_file], {main_file}
    while waiting:
        file = waiting.pop()
        for pattern in _named_in(file, directive, base or file.parent):
            if included.match(pattern):
                return True
            found = {Path(each) for each in glob.glob(pattern)}  # noqa: PTH207 - the pattern is absolute
            if any(_is_same(each, included) for each in found):
                return True
            waiting += sorted(each for each in found - known if each.is_file())
            known |= found
        if len(known) > MOST_FILES:
            raise OSError("too many files")
    return False


def _named_in(file: Path, directive: re.Pattern[str], base: Path) -> Iterator[str]:
    for line in read_regular(file).decode(errors="replace").splitlines():
        for match in directive.finditer(line.partition("#")[0]):
            yield str(base / match[1])


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
