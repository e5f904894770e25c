"""Reading of what root opens by path: regular files that nobody but root and the caller can have written or put there.

Every component of a path is opened in the directory before it, so that what was checked is what is read. A directory with the
sticky bit, such as ``/tmp``, may be open to everybody: only the owner of an entry can replace that one.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

LARGEST = 4 * 1024 * 1024
"""Bytes that are read of a settings file, secret, template or plugin."""
OTHERS_WRITE, OTHERS_ACCESS = 0o022, 0o077
"""Bits of a mode that a file must not have: of what others must not change, and of what they must not read either."""
MOST_LINKS = 40
"""Symbolic links on the way to one file, as the kernel has it (path_resolution(7))."""
TOP = Path("/")


class Untrusted(OSError):
    """A file, or a directory that it is in, which somebody else can have written. `strerror`: the reason and what mends it."""

    def __init__(self, path: Path, reason: str, fix: str) -> None:
        super().__init__(0, f"{reason}; {fix}" if fix else reason, str(path))
        self.path = path
        self.reason = reason
        """A clause about the file that was to be read."""
        self.fix = fix
        """The command that mends it."""


class FileContent:
    """Content of a file, with its status when it was opened."""

    __slots__ = ("data", "status", "writers")

    def __init__(self, data: bytes, status: os.stat_result, writers: frozenset[int] = frozenset()) -> None:
        self.data = data
        self.status = status
        self.writers = writers
        """Other users who can have written it, where the caller allows for that."""

    @property
    def private(self) -> bool:
        """Whether nobody but the owner can read it."""
        return not self.status.st_mode & OTHERS_ACCESS


def read(
    path: Path,
    *,
    root: Path = TOP,
    closed: int = OTHERS_WRITE,
    largest: int = LARGEST,
    follow: bool = True,
    links: bool = True,
    of_a_user: bool = False,
) -> FileContent:
    """Read a file. Raises `Untrusted`, and OSError: it isn't there, is no regular file, is larger than `largest` bytes.

    `root`: of the appliance; who may write to the directories that this one is in is not asked. `closed`: bits that the
    file's mode must not have. `follow`: whether it may be a symbolic link, to a file that is trusted itself; `links`: whether
    one may lead to it at all. `of_a_user`: one other user may have written it, who is told.
    """
    with _naming(path), ExitStack() as opened:
        walk = _Walk(path, root, follow=follow, links=links, of_a_user=of_a_user)
        directory, name = walk.parent(opened)
        _check_kind(os.stat(name, dir_fd=directory, follow_symlinks=False))  # a device does something when it is opened
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY
        descriptor = os.open(name, flags, dir_fd=directory)
        opened.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        _check_kind(status)
        walk.check("it", walk.at / name, status, closed)
        with open(descriptor, "rb", closefd=False) as file:
            return FileContent(_bounded(file, largest), status, frozenset(walk.writers))


def check_directory(path: Path, *, root: Path = TOP) -> None:
    """Raise `Untrusted` where somebody else can put files into a directory or take them away, OSError where there is none."""
    with ExitStack() as opened:
        walk = _Walk(path, root, follow=True, of_a_user=False)
        directory, name = walk.parent(opened)
        walk.enter(opened, directory, name)


def read_regular(path: Path, *, largest: int = LARGEST) -> bytes:
    """Read a regular file whoever has written it: for what is only looked at. Raises OSError."""
    with _naming(path), opened_regular(path) as file:
        return _bounded(file, largest)


@contextmanager
def opened_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading in pieces, by any owner: for what proves itself. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
        with _naming(path):
            _check_kind(os.fstat(descriptor))
        yield file


def files_in(directory: Path, pattern: str, *, root: Path = TOP) -> Iterator[Path]:
    """Yield the files of a directory by name, none where there is no directory. Raises `Untrusted`."""
    if directory.is_dir():
        check_directory(directory, root=root)
        yield from sorted(directory.glob(pattern))


def read_descriptor(path: Path, *, largest: int = LARGEST) -> bytes:
    """Read what the caller's own process has open, to its end: ``/dev/stdin``, ``/dev/fd/NUMBER``. Raises OSError."""
    with path.open("rb") as file:
        return _bounded(file, largest)


class _Walk:
    """The way to one file, component by component."""

    def __init__(self, path: Path, root: Path, *, follow: bool, of_a_user: bool, links: bool = True) -> None:
        self.path = path
        self._follow = follow
        self._may_lead = links
        self._above = frozenset[Path]() if root == TOP else frozenset(root.resolve().parents)
        self._pending = _components(path.absolute())
        self._links = 0
        self._of_a_user = of_a_user
        self.at = TOP
        """The directory that was reached."""
        self.writers: set[int] = set()

    def parent(self, opened: ExitStack) -> tuple[int, str]:
        """Return a descriptor of the directory that the file is in, and the file's name there."""
        directory = self._open(opened, None, "/")
        while True:
            name = self._pending.pop()
            if name == "..":
                self.at = self.at.parent
                directory = self._open(opened, None, str(self.at))
                continue
            target = self._target(directory, name)
            if target is not None:
                self._pending += _components(Path(target))
                if target.startswith("/"):
                    self.at = TOP
                    directory = self._open(opened, None, "/")
            elif self._pending:
                directory = self.enter(opened, directory, name)
            else:
                return directory, name

    def _target(self, directory: int, name: str) -> str | None:
        """Return where a symbolic link leads; None: it is none."""
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return None
        if not self._may_lead or (not self._pending and not self._follow):
            raise OSError(0, "it is a symbolic link")
        self._links += 1
        if self._links > MOST_LINKS:
            raise OSError(0, "too many symbolic links lead to it")
        self.check(f"the link {self.at / name}", self.at / name, status, 0)
        return os.readlink(name, dir_fd=directory)

    def enter(self, opened: ExitStack, directory: int, name: str) -> int:
        """Return a descriptor of a directory in another one. Raises `Untrusted`."""
        self.at /= name
        return self._open(opened, directory, name)

    def _open(self, opened: ExitStack, directory: int | None, name: str) -> int:
        descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        opened.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if self.at not in self._above:
            what = "it" if self.at == self.path else f"the directory {self.at}"
            self.check(what, self.at, status, 0 if status.st_mode & stat.S_ISVTX else OTHERS_WRITE)
        return descriptor

    def check(self, what: str, place: Path, status: os.stat_result, closed: int) -> None:
        """Raise `Untrusted` where somebody else can have written the file or directory at `place`."""
        if status.st_uid not in {0, os.geteuid()}:
            self.writers.add(status.st_uid)
            if not self._of_a_user or len(self.writers) > 1:
                raise Untrusted(
                    place, f"{what} belongs to the user {status.st_uid}, not to root", f"chown -h root {place}"
                )
        open_bits = stat.S_IMODE(status.st_mode) & closed
        if not open_bits or _is_of_callers_group(status, open_bits):
            return
        mode = f"(mode {stat.S_IMODE(status.st_mode):04o})"
        if closed == OTHERS_ACCESS:
            raise Untrusted(place, f"other users have access to {what} {mode}", f"chmod 600 {place}")
        who = "every user" if open_bits & 0o002 else "its group"
        raise Untrusted(place, f"{who} can write to {what} {mode}", f"chmod go-w {place}")


def _components(path: Path) -> list[str]:
    """Return the components of a path, the last one first."""
    return [each for each in reversed(path.parts) if each != "/"]


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Have an OSError name the file that the caller asked for; one of a step on the way names its own."""
    try:
        yield
    except Untrusted:
        raise
    except OSError as error:
        error.filename = str(path)
        raise


def _check_kind(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "it is not a regular file")


def _bounded(file: BinaryIO, largest: int) -> bytes:
    data = file.read(largest + 1)
    if len(data) > largest:
        raise OSError(0, f"it is larger than {largest} bytes")
    return data


def _is_of_callers_group(status: os.stat_result, open_bits: int) -> bool:
    """Whether only a group can write that is its caller's alone, as many systems give one to each person. Never for root."""
    caller = os.geteuid()
    if caller == 0 or open_bits != 0o020 or status.st_gid != os.getegid():
        return False
    try:
        name, group = pwd.getpwuid(caller).pw_name, grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return group.gr_name == name and not set(group.gr_mem) - {name}
