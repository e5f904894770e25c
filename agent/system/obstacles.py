"""What stands in the way of a file or directory of the agent's, and what an administrator does about it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agent.system.trust import read_regular

if TYPE_CHECKING:
    from agent.errors.store import StateUnwritable

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
IN_ITS_PLACE = frozenset({errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY, errno.ELOOP})
FORBIDDEN = frozenset({errno.EPERM, errno.EACCES})
FAILING = frozenset({errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EREMOTEIO, errno.EHOSTDOWN})
GET_FLAGS = 0x80086601
"""`FS_IOC_GETFLAGS` of linux/fs.h (ioctl_iflags(2))."""
FLAGS = {0x10: "i", 0x20: "a"}
"""`FS_IMMUTABLE_FL` and `FS_APPEND_FL`, as chattr(1) calls them."""

MOST = 1000
"""Files in a directory that are looked at."""


class Obstacle(NamedTuple):
    """Reason why a path can't be changed."""

    where: str
    """The path that somebody has to do something about, which may be a directory above."""
    reason: str
    """A clause."""
    cure: str
    """A command, without the full stop."""

    @property
    def error(self) -> StateUnwritable:
        """The same as an error of the agent's own state."""
        from agent.errors.store import StateUnwritable

        return StateUnwritable(self.where, self.reason, f"{self.cure}, then: chainwright apply")


def obstacle(path: Path, error: OSError) -> Obstacle:
    """Return what stands in the way at `path`, by the error and by what is seen there. Never raises."""
    with contextlib.suppress(OSError):  # where even looking fails, the error says so
        for found in _seen(path, error):
            return found
    return Obstacle(str(path), (error.strerror or str(error)).lower(), f"See what is there: ls -ld {path}")


def state_unwritable(path: Path, error: OSError) -> StateUnwritable:
    """Return the error that says what keeps the agent from its own state, and the cure."""
    from agent.errors.store import StateUnwritable

    found = obstacle(path, error)
    if error.errno in FORBIDDEN and "chattr" not in found.cure and "remount" not in found.cure:  # it is another user's
        return StateUnwritable(str(path), (error.strerror or str(error)).lower())
    return found.error


def _seen(path: Path, error: OSError) -> Iterator[Obstacle]:
    code, mount = error.errno, mount_of(path)
    if code in FULL:
        yield Obstacle(str(path), os.strerror(code).lower(), f"Make room there (df -h {mount}; df -i {mount})")
    if code == errno.EROFS or (code in FORBIDDEN and os.statvfs(_nearest(path)).f_flag & os.ST_RDONLY):
        cure = f"Mount it for writing: mount -o remount,rw {mount}"
        yield Obstacle(str(path), f"the file system at {mount} is mounted read-only", cure)
    if code in FAILING:
        reason = f"the file system at {mount} fails: {os.strerror(code or 0).lower()}"
        yield Obstacle(str(path), reason, f"See what the kernel says of it (dmesg), and mount it again: {mount}")
    for each in (*reversed(path.parents), path):
        if found := dangling_link(each):
            yield found
    for parent in reversed(path.parents):
        if os.path.lexists(parent) and not parent.is_dir():
            yield Obstacle(str(parent), f"{kind_of(parent)} is where a directory belongs", _away(parent))
    if code in IN_ITS_PLACE and os.path.lexists(path):
        yield Obstacle(str(path), f"{kind_of(path)} is in its place", _away(path))
    if code in FORBIDDEN:
        yield from _flagged(path)


def _flagged(path: Path) -> Iterator[Obstacle]:
    """Yield what nobody may change, not even root: the path, what is in it, or the directory that it is in."""
    below = islice(path.rglob("*"), MOST) if path.is_dir() and not path.is_symlink() else ()
    for each in (path, _nearest(path.parent), *below):
        for flag in flags_of(each):
            word = "immutable" if flag == "i" else "only to be appended to"
            yield Obstacle(str(each), f"it is {word} (chattr +{flag})", f"Allow changes: chattr -{flag} {each}")


def flags_of(path: Path) -> str:
    """Return which of the flags ``i`` and ``a`` a file or directory has, where its file system knows them."""
    with contextlib.suppress(OSError):
        if stat.S_IFMT(path.lstat().st_mode) not in {stat.S_IFREG, stat.S_IFDIR}:
            return ""
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, GET_FLAGS, struct.pack("l", 0)))
        finally:
            os.close(descriptor)
        return "".join(letter for bit, letter in FLAGS.items() if flags & bit)
    return ""


def dangling_link(path: Path) -> Obstacle | None:
    """Return what to do about a symbolic link that leads nowhere, to a volume that isn't mounted, say; None: it is none."""
    with contextlib.suppress(OSError):  # it is no link, or has just gone
        target = path.readlink()
        if not path.exists():
            reason = f"{path.name} is a symbolic link to {target}, where nothing is"
            return Obstacle(str(path), reason, f"Mount or put back what it leads to, or remove the link (rm {path})")
    return None


def missing_mount(path: Path, root: Path) -> Obstacle | None:
    """Return what to do where a file system that fstab(5) has on the way to a path isn't mounted; None: all are."""
    way = {path, *path.parents, path.resolve(), *path.resolve().parents}
    for point in sorted(way & _mount_points(root)):
        if mount_of(point.resolve()) != str(point.resolve()):
            reason = f"the file system at {point} is not mounted, though /etc/fstab has it"
            return Obstacle(str(point), reason, f"Mount it (mount {point}), or take its line out of /etc/fstab")
    return None


def _mount_points(root: Path) -> set[Path]:
    """Return where `root` has file systems beside its own, by its fstab, where that can be read."""
    try:
        lines = read_regular(root / "etc/fstab").decode(errors="replace").splitlines()
    except OSError:
        return set()
    fields = [line.split() for line in lines if not line.lstrip().startswith("#")]
    points = {_unescaped(each[1]).strip("/") for each in fields if len(each) > 2 and each[1].startswith("/")}
    return {root / each for each in points if each}


def mount_of(path: Path) -> str:
    """Return where the file system of a path, or of its nearest parent that is there, is mounted."""
    with contextlib.suppress(OSError):
        mounts = {_unescaped(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()}
        above = [str(each) for each in (path.absolute(), *path.absolute().parents)]
        return next((each for each in above if each in mounts), "/")
    return "/"


def _unescaped(text: str) -> str:
    r"""Return a path as it is: in mountinfo, spaces, tabs, newlines and backslashes are octal, such as ``\040`` (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _nearest(path: Path) -> Path:
    """Return a path, or its nearest parent that is there."""
    return next(each for each in (path, *path.parents) if os.path.lexists(each))


def in_place_of_file(path: Path) -> str:
    """Return what is in place of a file, for people; empty: a file, nothing, or what can't be looked at."""
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(path.stat().st_mode):
            return kind_of(path.resolve())
    return ""


def kind_of(path: Path) -> str:
    """Return what is at a path, with its article."""
    if path.is_symlink():
        return "a link"
    if path.is_dir():
        return "a mounted directory" if mount_of(path) == str(path) else "a directory"
    return "a file" if path.is_file() else "something that is no file"


def _away(path: Path) -> str:
    return f"Unmount it: umount {path}" if mount_of(path) == str(path) else f"Move it away: mv {path} {path}.found"
