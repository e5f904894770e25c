"""Writing of files that are complete, durable and of the right owner and mode from the start."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

WITHOUT_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})
"""What a file system without hard links says (link(2)); one in user space may lack the call."""


def write_new(path: Path, data: bytes, *, mode: int, owner: int = -1, group: int = -1, flush: bool = True) -> None:
    """Create `path` exclusively with its final mode and owner. Raises FileExistsError.

    `owner` and `group` are numeric ids; -1 leaves the caller's. `flush` False: the caller flushes the file system once.
    """
    _write_new(path, data, mode=mode, owner=owner, group=group, flush=flush)
    if flush:
        flush_directory(path.parent)


def _write_new(path: Path, data: bytes, *, mode: int, owner: int = -1, group: int = -1, flush: bool = True) -> None:
    """Do the same; `flush` is about the file, and not about the directory that it is in."""
    # 0600 until the owner is right: the caller's group must not be able to read the file meanwhile.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _set_owner_and_mode(descriptor, mode, owner, group)
            file.write(data)
            if flush:
                file.flush()
                os.fsync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)  # when the disk is full, half a file would be taken for a whole one
        raise


def write_new_pieces(path: Path, pieces: Iterable[bytes], *, mode: int) -> None:
    """Create `path` exclusively and write it piece by piece. Raises FileExistsError. Who makes many flushes them together."""
    write_new(path, b"", mode=mode, flush=False)
    with path.open("r+b") as file:
        for piece in pieces:
            file.write(piece)


def create(path: Path, data: bytes) -> None:
    """Create `path`, of mode 0600, atomically: nobody sees a part of it, not even after a crash. Raises FileExistsError."""
    with created(path) as file:
        file.write(data)


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """Give a file of mode 0600 to write in pieces, which is at `path` once all of it is written. Raises FileExistsError.

    Where the file system keeps neither modes nor links (FAT), it has the mode that it has there.
    """
    beside = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        _name(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    flush_directory(path.parent)


def _name(beside: Path, path: Path) -> None:
    """Give a whole file the name `path`, which must be free: by a link, or in place of an empty file. Raises FileExistsError."""
    try:
        path.hardlink_to(beside)
    except OSError as error:
        if error.errno not in WITHOUT_LINKS:
            raise
        write_new(path, b"", mode=stat.S_IMODE(beside.stat().st_mode))
        beside.rename(path)


def replace(path: Path, data: bytes, *, mode: int, flush: bool = True) -> None:
    """Write `path` atomically: a reader sees the old content or the new one.

    `flush` False: after a power cut it may still be the old one, until the caller flushes the directory.
    """
    beside = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    _write_new(beside, data, mode=mode)
    beside.rename(path)
    if flush:
        flush_directory(path.parent)


def make_directory(path: Path, *, mode: int, owner: int = -1, group: int = -1) -> None:
    """Create one directory with its final mode and owner; one that exists gets them too."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
    _set_owner_and_mode(path, mode, owner, group)


def make_state(private: Path) -> None:
    """Create the directory of the database and the locks, and the state that it is in. One that is there is left as it is.

    What somebody has changed of it is a pass's matter, which repairs it and says so.
    """
    private.parent.parent.mkdir(parents=True, exist_ok=True)
    for path, mode in ((private.parent, 0o711), (private, 0o700)):
        if not path.is_dir():
            make_directory(path, mode=mode)


def _set_owner_and_mode(target: Path | int, mode: int, owner: int, group: int) -> None:
    """Set owner and mode only where they differ: a generation has thousands of files, and each change is a write."""
    status = os.stat(target)  # noqa: PTH116 - of a path or of a descriptor
    if owner not in {-1, status.st_uid} or group not in {-1, status.st_gid}:
        os.chown(target, owner, group)
        status = os.stat(target)  # noqa: PTH116 - a change of owner may take bits of the mode away
    if stat.S_IMODE(status.st_mode) != mode:
        os.chmod(target, mode)  # noqa: PTH101


def flush_directory(path: Path) -> None:
    """Make renames and new names in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_file_system(path: Path) -> None:
    """Make everything that was written below `path` durable in one go (syncfs(2); sync(2) where libc lacks it)."""
    import ctypes

    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) != 0:
            os.sync()
    except AttributeError:
        os.sync()
    finally:
        os.close(descriptor)
