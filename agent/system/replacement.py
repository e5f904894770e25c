"""Replacement of keys and settings by others that are complete on disk: all of them or none, whenever the process dies.

What is to come lies in ``/var/lib/chainwright/restoring``, or in ``private/`` where that has a file system of its own, and in
``/etc/chainwright/.restoring``. Once the file `PLAN` is there, it is decided: the next holder of the lock goes on with the
renames. Before that, nothing has changed; nor where a rename can't be made, as of a file that is mounted or immutable: then all
of them are taken back. Locks and the memory of the clock are the machine's and stay; what was there goes to
``before-restore-INSTANT`` in each place.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.errors.backup import RestoreImpossible
from agent.errors.store import RestoreUnfinished
from agent.system.layout import Layout
from agent.system.trust import OTHERS_ACCESS, read
from agent.system.writing import flush_directory, make_directory, write_new

PLAN = "plan.json"
STAGED = "restoring"
STAYING = frozenset({"lock", "daemon.lock", "clock", STAGED})
"""Files of ``private/`` that are the machine's, or of the restore itself."""
ASIDE, COMING = "before-restore-", ".restoring"
OURS = re.compile(rf"{re.escape(ASIDE)}.+|{re.escape(COMING)}")
"""Entries that a restore makes in the places of keys and settings."""


class Replacement:
    """The places of one replacement."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._place = layout.private if _is_mounted(layout.private) else layout.state
        self.directory = self._place / STAGED
        self.staged = Layout(self.directory)
        """What is to come, as of an appliance of its own."""
        self.settings = layout.etc / COMING
        self._plan = self.directory / PLAN

    @property
    def committed(self) -> bool:
        """Whether the next holder of the lock goes on with it."""
        return self._plan.exists()

    def begin(self) -> None:
        """Make the directory of what is to come; what an earlier attempt has left goes. Raises OSError."""
        self.drop()
        make_directory(self.directory, mode=0o700)

    def drop(self) -> None:
        """Remove what is to come. Raises OSError."""
        for directory in (self.settings, self.directory):  # the plan goes last
            if directory.is_dir():
                self._remove_but_the_plan(directory)
        self._plan.unlink(missing_ok=True)
        if self.directory.is_dir():
            self.directory.rmdir()

    def _remove_but_the_plan(self, directory: Path) -> None:
        for each in directory.iterdir():
            if each.is_dir():
                shutil.rmtree(each)
            elif each != self._plan:
                each.unlink()
        if directory != self.directory:
            directory.rmdir()

    def commit(self, now: datetime) -> list[Path]:
        """Bring the settings beside those in force, and decide. Return where what is there now goes to. Raises OSError."""
        self.layout.etc.parent.mkdir(parents=True, exist_ok=True)
        self.layout.etc.mkdir(mode=0o755, exist_ok=True)
        if self.staged.etc.is_dir():
            shutil.copytree(self.staged.etc, self.settings)
        _flush(self.directory)
        _flush(self.settings)
        plan = {
            "aside": self._free(f"{ASIDE}{now:%Y%m%dT%H%M%SZ}"),
            "private": {"old": _not_ours(_names(self.layout.private, STAYING)), "new": _names(self.staged.private)},
            "etc": {"old": settings_in(self.layout), "new": _names(self.settings)},
        }
        flush_directory(self.layout.state)
        draft = self._plan.with_name(f".{PLAN}.new")
        write_new(draft, json.dumps(plan).encode(), mode=0o600)
        draft.rename(self._plan)
        flush_directory(self.directory)
        return [move.aside for move in self._moves(plan) if move.old]

    def finish(self) -> None:
        """Make the renames that are left of what was decided; where one can't be made, take all of them back.

        Call under the lock. Raises `RestoreImpossible`: what was there is there again, `RestoreUnfinished`.
        """
        if not self.committed:
            return
        try:
            plan = json.loads(read(self._plan, root=self.layout.root, closed=OTHERS_ACCESS).data)
            moves = self._moves(plan)
            try:
                for move in moves:
                    move.make()
            except OSError as error:
                self._take_back(moves)
                raise RestoreImpossible(str(error.filename or self.directory), _reason(error)) from error
            self.drop()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RestoreUnfinished(str(self.directory), _reason(error)) from error

    def _take_back(self, moves: Sequence[_Move]) -> None:
        """Have it as it was, and decided no longer. Raises OSError."""
        for move in reversed(moves):
            move.take_back()
        self._plan.unlink()  # before what it is about: what is half gone must not be gone on with
        flush_directory(self.directory)
        with contextlib.suppress(OSError):  # the next restore removes it
            self.drop()

    def _moves(self, plan: dict[str, Any]) -> tuple[_Move, ...]:
        aside, keys, settings = str(plan["aside"]), plan["private"], plan["etc"]
        return (
            _Move(self.layout.private, self._place / aside, self.staged.private, keys["old"], keys["new"]),
            _Move(self.layout.etc, self.layout.etc / aside, self.settings, settings["old"], settings["new"]),
        )

    def _free(self, name: str) -> str:
        """Return a name that neither place has yet."""
        found, number = name, 1
        while any((place / found).exists() for place in (self._place, self.layout.etc)):
            number += 1
            found = f"{name}-{number}"
        return found


class _Move:
    """Entries of one directory that go aside, and those that come in their place."""

    def __init__(self, directory: Path, aside: Path, coming: Path, old: list[str], new: list[str]) -> None:
        self.directory = directory
        self.aside = aside
        self.coming = coming
        self.old = old
        self.new = new

    def make(self) -> None:
        """Make the renames that are left. Raises OSError."""
        if all(
            (self.coming / name).exists() for name in self.new
        ):  # else the old ones have gone, and these are new ones
            self._put_aside()
        for name in self.new:
            with contextlib.suppress(FileNotFoundError):
                (self.coming / name).rename(self.directory / name)
        flush_directory(self.directory)

    def take_back(self) -> None:
        """Make the renames the other way round, as far as they were made. Raises OSError."""
        for name in self.new:
            if not os.path.lexists(self.coming / name) and os.path.lexists(self.directory / name):
                (self.directory / name).rename(self.coming / name)
        for name in self.old:
            if os.path.lexists(self.aside / name):
                (self.aside / name).rename(self.directory / name)
        flush_directory(self.directory)
        with contextlib.suppress(OSError):  # an earlier restore's, or there is none
            self.aside.rmdir()

    def _put_aside(self) -> None:
        if self.old:
            make_directory(self.aside, mode=0o700)
        for name in self.old:
            with contextlib.suppress(FileNotFoundError):
                (self.directory / name).rename(self.aside / name)
        flush_directory(self.directory)


def settings_in(layout: Layout) -> list[str]:
    """Return the entries of the administrator's directory that are not of a restore."""
    return _not_ours(_names(layout.etc))


def _not_ours(names: list[str]) -> list[str]:
    return [name for name in names if not OURS.fullmatch(name)]


def _names(directory: Path, but: Collection[str] = ()) -> list[str]:
    if not directory.is_dir():
        return []
    return sorted(each.name for each in directory.iterdir() if each.name not in but)


def _is_mounted(directory: Path) -> bool:
    """Whether it has a file system of its own, between which and others nothing can be renamed."""
    with contextlib.suppress(OSError):
        return directory.stat().st_dev != directory.parent.stat().st_dev
    return False


def _flush(directory: Path) -> None:
    """Make a tree durable."""
    for where, _, names in os.walk(directory):
        for name in names:
            descriptor = os.open(Path(where) / name, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        flush_directory(Path(where))


def _reason(error: Exception) -> str:
    if getattr(error, "errno", 0) == errno.EXDEV:
        return "it is on another file system than what is to take its place"
    return (getattr(error, "strerror", None) or str(error)).lower()
