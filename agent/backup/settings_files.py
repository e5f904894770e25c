"""Files of the administrator's directory as they go into a backup, and files elsewhere that the settings name."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.backup.manifest import LARGEST_SETTING, SETTINGS, Part, is_setting
from agent.errors.settings import SettingsRefused
from agent.system.layout import Layout
from agent.system.replacement import OURS
from agent.system.trust import read

IGNORED = frozenset({"__pycache__"})
MOST_TOGETHER = 64 * 1024 * 1024
"""Bytes that are held in memory."""
MOST_FILES = 10_000
DEEPEST = 16
"""Directories in one another."""
OWN = tuple(Path(each) for each in ("etc/chainwright", "var/lib/chainwright", "run/chainwright"))


@dataclass
class SettingsFiles:
    """Files that were read, and what was left out."""

    layout: Layout
    contents: dict[str, bytes] = field(default_factory=dict, repr=False)
    parts: list[Part] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def collect(cls, layout: Layout) -> SettingsFiles:
        """Read all of ``/etc/chainwright``. What can't be carried is in `left_out`, with the reason."""
        found = cls(layout)
        for count, (path, closed) in enumerate(_files(layout.etc)):
            if count == MOST_FILES:
                found.left_out.append(f"{layout.etc}: it has more than {MOST_FILES} files, and the others are left out")
                break
            found._add(path, closed)
        return found

    def _add(self, path: Path, closed: int) -> None:
        """Read one file. `closed`: bits that its mode loses, as nobody who has them gets into its directory."""
        place = str(path.relative_to(self.layout.etc))
        try:
            content = read(path, root=self.layout.root, largest=LARGEST_SETTING)
        except OSError as error:
            self.left_out.append(f"{path}: {(error.strerror or str(error)).lower()}")
            return
        if reason := self._refusal(place, len(content.data)):
            self.left_out.append(f"{path}: {reason}")
            return
        self.contents[SETTINGS + place] = content.data
        digest, mode = hashlib.sha256(content.data).hexdigest(), stat.S_IMODE(content.status.st_mode)
        self.parts.append(Part(SETTINGS + place, len(content.data), digest, mode & 0o755 & ~closed))

    def _refusal(self, place: str, size: int) -> str:
        if not is_setting(place):
            return "its name can't be carried"
        together = sum(map(len, self.contents.values())) + size
        return "there is too much" if together > MOST_TOGETHER else ""


def _files(
    directory: Path, above: frozenset[tuple[int, int]] = frozenset(), closed: int = 0
) -> Iterator[tuple[Path, int]]:
    """Yield what is in a directory and those below it but what a restore has put there, by name; links as what they lead to.

    With each, which bits of a mode are of no use, as a directory on the way is shut: a restore makes directories that everybody
    may enter. A link that leads back to a directory on the way is passed over.
    """
    status = directory.stat() if directory.is_dir() else None
    if status is None or (here := (status.st_dev, status.st_ino)) in above or len(above) > DEEPEST:
        return
    closed |= _closed_by(status.st_mode)
    for name in sorted(os.listdir(directory)):  # noqa: PTH208 - names that aren't UTF-8 as well
        path = directory / name
        if name in IGNORED or (not above and OURS.fullmatch(name)):
            continue
        if path.is_dir():
            yield from _files(path, above | {here}, closed)
        else:
            yield path, closed


def _closed_by(mode: int) -> int:
    """Return the bits of those who can't enter a directory of this mode."""
    return (0 if mode & stat.S_IXGRP else stat.S_IRWXG) | (0 if mode & stat.S_IXOTH else stat.S_IRWXO)


def files_elsewhere(layout: Layout) -> list[str]:
    """Return the files that the settings name and that lie neither with them nor in the agent's own directories."""
    from agent.config.files import read_settings

    try:
        values = read_settings(layout).values
    except SettingsRefused:
        return []
    found = {text for text in _texts(values) if text.startswith("/") and _is_elsewhere(layout, text)}
    return sorted(found)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _is_elsewhere(layout: Layout, text: str) -> bool:
    path = Path(text)
    if any(path.is_relative_to("/" / own) for own in OWN):
        return False
    return text.isprintable() and layout.rooted(path).is_file()
