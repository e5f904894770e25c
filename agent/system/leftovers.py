"""Files that a run which was killed has left half-made: they are removed by a later one, under the lock."""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from agent.system.clock_offsets import age
from agent.system.layout import Layout

OURS = re.compile(r"\..+\.new|\.master\.key\.[0-9a-f]{16}|[a-z-]+\.pid\.new")
"""Names that the agent and the starters of its services write to before they rename."""
OLD = 600.0
"""Seconds: nothing takes so long to write. A file from the future is as old."""


def remove_leftovers(layout: Layout) -> None:
    """Remove what was left half-made in the agent's own directories."""
    for directory in (layout.private, layout.run, layout.webroot):
        for path in directory.glob("*"):
            if OURS.fullmatch(path.name):
                remove_if_old(path, layout.root)


def remove_drafts_of(published: Iterable[Path], root: Path) -> None:
    """Remove what was left half-made beside published files. `root`: of the appliance."""
    for path in published:
        remove_if_old(path.with_name(f".{path.name}.chainwright-new"), root)


def remove_halves_of(path: Path, root: Path) -> None:
    """Remove what `writing.created` has left half-made of a file. `root`: of the appliance. Raises OSError."""
    half = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}")
    for each in path.parent.iterdir():
        if half.fullmatch(each.name):
            remove_if_old(each, root)


def remove_if_old(path: Path, root: Path) -> None:
    """Remove what a run has left half-made that was killed, not what one may be at. `root`: of the appliance."""
    with contextlib.suppress(OSError):
        seen = path.lstat()
        is_file = stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)
        if is_file and age(seen.st_mtime, root) > OLD:
            path.unlink()
