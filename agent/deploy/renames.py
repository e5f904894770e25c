"""Renames that can be redone and undone after a power cut at any instant."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from agent.deploy.failures import disk_failed
from agent.errors.damage import DiskFailed
from agent.errors.deploy import PublishOccupied
from agent.system.obstacles import kind_of
from agent.system.trust import read_regular
from agent.system.writing import flush_directory, make_directory, write_new


@dataclass(frozen=True, slots=True)
class PathContent:
    """Content of a path: nothing, a link, or a copy of a generation's file."""

    kind: str
    """``absent``, ``link`` or ``copy``."""
    source: str = ""
    """The link's target, or the file to copy."""
    checksum: str = field(default="", compare=False)
    """SHA-256 of that file when it was written; empty: it isn't known."""

    @property
    def is_lost(self) -> bool:
        """Whether somebody has removed the file to copy."""
        return self.kind == "copy" and not os.path.lexists(self.source)


ABSENT = PathContent("absent")


@dataclass(frozen=True, slots=True)
class Rename:
    """One path outside of the generations that the switch changes, with its content before and after."""

    target: str
    after: PathContent
    before: PathContent

    def redo(self) -> None:
        """Put the new content in place, if it is not there yet. Raises `DiskFailed`."""
        _put(Path(self.target), self.after)

    def undo(self) -> None:
        """Put the old content back, if it is not there; where it is lost, take the new one away. Raises `DiskFailed`."""
        _put(Path(self.target), ABSENT if self.before.is_lost else self.before)

    def to_json(self) -> list[Any]:
        """Return a compact row."""
        return [self.target, self.after.kind, self.after.source, self.before.kind, self.before.source]

    @classmethod
    def from_json(cls, row: list[str]) -> Self:
        """Read what `to_json` wrote."""
        return cls(row[0], PathContent(row[1], row[2]), PathContent(row[3], row[4]))


def undone(renames: Sequence[Rename]) -> dict[Rename, DiskFailed]:
    """Undo renames, each that can be, the last one first. Return those that can't, with the reason."""
    failed: dict[Rename, DiskFailed] = {}
    for rename in reversed(renames):
        try:
            rename.undo()
        except DiskFailed as error:
            failed[rename] = error
    return failed


def live_link(state: Path, number: int | None, before: int | None) -> Rename:
    """Return the switch of a module's or service's ``live`` link between two generations."""
    return Rename(str(state / "live"), _link(number), _link(before))


def published(target: Path, after: PathContent, before: PathContent = ABSENT) -> Rename:
    """Return the switch of a file at a fixed path. `before`: what the last generation published there.

    Raises `PublishOccupied` when the path holds something that is not the agent's, `DiskFailed` when it can't be written.
    """
    if not is_in_place(target, before) and not is_in_place(target, after) and os.path.lexists(target):
        raise PublishOccupied(str(target), kind_of(target).capitalize())
    if not is_in_place(target, after) and not os.access(_nearest(target.parent), os.W_OK):
        raise disk_failed(target, PermissionError(errno.EACCES, "its directory is not writable"))
    return Rename(str(target), after, before)


def taken_away(target: Path, before: PathContent) -> Rename | None:
    """Return the removal of a file that was published at a fixed path; None: somebody has put something else there."""
    return Rename(str(target), ABSENT, before) if is_in_place(target, before) else None


def _link(number: int | None) -> PathContent:
    return PathContent("link", str(number)) if number is not None else ABSENT


def is_in_place(target: Path, content: PathContent) -> bool:
    """Whether a path has that content."""
    if content.kind == "absent":
        return not os.path.lexists(target)
    if content.kind == "link":
        return target.is_symlink() and str(target.readlink()) == content.source
    return not target.is_symlink() and _is_copy(target, content)


def _is_copy(target: Path, content: PathContent) -> bool:
    try:
        data = read_regular(target)
        return hashlib.sha256(data).hexdigest() == content.checksum or data == read_regular(Path(content.source))
    except OSError:
        return False


def _nearest(directory: Path) -> Path:
    """Return the directory, or its nearest parent that exists."""
    return next(each for each in (directory, *directory.parents) if each.exists())


def _put(target: Path, content: PathContent) -> None:
    try:
        if not is_in_place(target, content):
            _replace(target, content)
    except OSError as error:
        raise disk_failed(target, error) from error


def _replace(target: Path, content: PathContent) -> None:
    if content.kind == "absent":
        target.unlink(missing_ok=True)
    else:
        _make_parents(target.parent)  # of a service that isn't installed yet
        beside = target.with_name(f".{target.name}.chainwright-new")
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        if content.kind == "link":
            beside.symlink_to(content.source)
        else:
            _copy(Path(content.source), beside)
        beside.rename(target)
    flush_directory(target.parent)


def _make_parents(directory: Path) -> None:
    """Make what is missing of a path, such that every user may pass through, whatever the umask: services do as other users."""
    missing = [each for each in (directory, *directory.parents) if not os.path.lexists(each)]
    for each in reversed(missing):
        make_directory(each, mode=0o755)


def _copy(source: Path, target: Path) -> None:
    status = source.stat()
    owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else (-1, -1)
    write_new(target, read_regular(source), mode=status.st_mode & 0o777, owner=owner[0], group=owner[1])
