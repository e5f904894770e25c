"""Directories of generations on disk: complete and durable before anything points to them."""

from __future__ import annotations

import contextlib
import grp
import hashlib
import os
import pwd
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.contract.fields import Secret
from agent.deploy.renames import PathContent
from agent.errors.chain import NotEncodable
from agent.errors.deploy import OwnerUnknown
from agent.model.deployment import Generation, ManifestFile
from agent.pki.chain import Chain
from agent.pki.encoding import Format, Part, encode
from agent.rendering.render import Ownership, Rendering, filled_in
from agent.system.trust import read_regular
from agent.system.writing import make_directory, write_new


@dataclass(frozen=True)
class GenerationDir:
    """Directory that holds the generations of one owner, and who owns its files."""

    owner: str
    """``module:NAME`` or ``service:NAME``."""
    state: Path
    """Parent of the generations' directories."""
    ownership: Ownership

    def directory(self, number: int) -> Path:
        """Return the directory of a generation."""
        return self.state / str(number)

    @property
    def refused(self) -> Path:
        """Link to the generation that was refused last."""
        return self.state / "refused"

    def published(self, generation: Generation | None) -> dict[str, PathContent]:
        """Return what a generation puts at fixed paths, by path."""
        if generation is None:
            return {}
        directory = self.directory(generation.number)
        return {
            file.publish: _content_of_path(file, directory / file.path, generation.checksums.get(file.path, ""))
            for file in generation.files
            if file.publish
        }


@dataclass(frozen=True)
class Materials:
    """Texts and chains that files are made of."""

    texts: Mapping[str, str]
    chain: Callable[[str], Chain]
    """Opens a chain with its key."""
    passwords: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    """Of files, as in `Rendering`."""

    def password(self, file: ManifestFile) -> bytes | None:
        """Return the password of a file. Raises `NotEncodable` where the settings no longer have it."""
        if file.password is None:
            return None
        if file.password not in self.passwords:
            raise NotEncodable(file.parts, file.format, "its password is no longer in the settings")
        return self.passwords[file.password].reveal().encode()


def stage(
    generation_dir: GenerationDir, number: int, rendering: Rendering, materials: Materials, last: Generation | None
) -> Generation:
    """Write a generation and return it with its checksums. The caller flushes the file system once.

    Key and chain files that are the same as in `last` are hard-linked from it, if they are still unchanged on disk.
    Raises `OwnerUnknown`, OSError.
    """
    directory = generation_dir.directory(number)
    user, group = directory_ids(generation_dir.ownership)
    # Not the group's: the generation in service may belong to another group, which must keep its access if this one fails.
    make_directory(_parents(generation_dir.state), mode=0o711, owner=min(user, 0), group=min(group, 0))
    _fresh_directory(directory, generation_dir.ownership)
    for folder in folders_of(rendering.files):
        make_directory(directory / folder, mode=directory_mode(generation_dir.ownership), owner=user, group=group)
    known = _known(last)
    checksums = {}
    for file in rendering.files:
        checksums[file.path] = _install(file, generation_dir, directory, number, materials, known.get(file.path))
    return Generation(generation_dir.owner, number, rendering.files, rendering.chains, rendering.digest, checksums)


def with_what_was_made(generation_dir: GenerationDir, generation: Generation) -> Generation:
    """Return a generation with checksums, modes and owners of the files that its preparation made, too."""
    directory = generation_dir.directory(generation.number)
    found = {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}
    made = {name: path for name, path in found.items() if name not in generation.checksums}
    more = {name: checksum_of(path) or "" for name, path in made.items()}
    modes = {name: _mode_and_owner(path) for name, path in made.items()}
    return replace(generation, checksums={**generation.checksums, **more}, made=modes)


def remove(generation_dir: GenerationDir, number: int) -> OSError | None:
    """Remove a generation's directory, if it exists, and the link to it where it is the one that was refused.

    Return why that failed: what is left of it may hold keys.
    """
    directory = generation_dir.directory(number)
    try:
        if refused_number(generation_dir) == number:
            generation_dir.refused.unlink(missing_ok=True)
        _remove(directory)
    except OSError as error:
        return error
    return None


def _remove(path: Path) -> None:
    """Remove what is at a path, a directory or what somebody has put in its place. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)  # as much of it as can be
        if path.exists():
            shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def mark_refused(generation_dir: GenerationDir, number: int) -> None:
    """Keep a refused generation for people to look at: a link names it, and `remove` is to be called at the next try.

    Where that can't be done, nobody can look at it, and nothing else is lost.
    """
    with contextlib.suppress(OSError):
        generation_dir.refused.unlink(missing_ok=True)
        generation_dir.refused.symlink_to(str(number))


def refused_number(generation_dir: GenerationDir) -> int | None:
    """Return the number of the refused generation that is kept; None: there is none."""
    link = generation_dir.refused
    return int(link.readlink().name) if link.is_symlink() and link.readlink().name.isdecimal() else None


def damage(generation_dir: GenerationDir, generation: Generation) -> str | None:
    """Return the first file of the generation in service that is not what the agent wrote, else a wrong `live` link."""
    directory = generation_dir.directory(generation.number)
    for path, checksum in generation.checksums.items():
        if checksum_of(directory / path) != checksum:
            return path
    live = generation_dir.state / "live"
    right = live.is_symlink() and str(live.readlink()) == str(generation.number)
    return None if right else live.name


def directory_ids(ownership: Ownership) -> tuple[int, int]:
    """Return the numeric owner and group of a directory; (-1, -1) leaves the caller's. Raises `OwnerUnknown`."""
    if os.geteuid() != 0:
        return -1, -1
    if ownership.group:
        return 0, _group_id(ownership.group)
    return 0, _user(ownership.user).pw_gid if ownership.user else 0


def file_ids(file: ManifestFile) -> tuple[int, int]:
    """Return the numeric owner and group of a file; (-1, -1) leaves the caller's. Raises `OwnerUnknown`."""
    if os.geteuid() != 0:
        return -1, -1
    user = _user(file.owner).pw_uid if file.owner else 0
    return user, _group_id(file.group) if file.group else 0


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError as error:
        raise OwnerUnknown("user", name) from error


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise OwnerUnknown("group", name) from error


def _others(user: int, group: int) -> bool:
    return (user, group) not in {(-1, -1), (0, 0)}


def directory_mode(ownership: Ownership) -> int:
    """Return the mode of a generation's directory. Raises `OwnerUnknown`."""
    return 0o750 if _others(*directory_ids(ownership)) else 0o700


def _parents(path: Path) -> Path:
    for parent in (path.parent.parent, path.parent):
        parent.mkdir(mode=0o711, exist_ok=True)
    return path


def _fresh_directory(directory: Path, ownership: Ownership) -> None:
    """Replace the directory: one of that number is left from a crash before anything pointed to it."""
    _remove(directory)
    user, group = directory_ids(ownership)
    make_directory(directory, mode=directory_mode(ownership), owner=user, group=group)


def folders_of(files: Iterable[ManifestFile]) -> list[str]:
    """Return the directories that files are in below their generation's, each after the one that it is in."""
    found: set[str] = set()
    for file in files:
        parts = file.path.split("/")[:-1]
        found |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    return sorted(found)


def _known(last: Generation | None) -> dict[str, tuple[ManifestFile, str, int]]:
    if last is None:
        return {}
    return {file.path: (file, last.checksums[file.path], last.number) for file in last.files if file.chain}


def _install(
    file: ManifestFile,
    generation_dir: GenerationDir,
    directory: Path,
    number: int,
    materials: Materials,
    known: tuple[ManifestFile, str, int] | None,
) -> str:
    """Link or write one file and return its checksum."""
    target = directory / file.path
    if known and known[0] == file:
        before = generation_dir.directory(known[2]) / file.path
        if checksum_of(before) == known[1]:
            os.link(before, target)
            return known[1]
    data = content_of(file, str(directory), number, materials)
    user, group = file_ids(file)
    write_new(target, data, mode=file.mode, owner=user, group=group, flush=False)
    return hashlib.sha256(data).hexdigest()


def content_of(file: ManifestFile, directory: str, number: int, materials: Materials) -> bytes:
    """Return the bytes of one file of a generation."""
    if file.text is not None:
        return filled_in(materials.texts[file.text], directory, number).encode()
    chain = materials.chain(file.chain or "")
    parts, form = [Part(part) for part in file.parts], Format(file.format)
    return encode(chain, parts, form, index=file.index, password=materials.password(file))


def _content_of_path(file: ManifestFile, path: Path, checksum: str) -> PathContent:
    """Return what a published file is at its fixed path."""
    if file.how == "directory":
        return PathContent("link", str(path.parent))
    return PathContent(file.how, str(path), checksum)


def _mode_and_owner(path: Path) -> tuple[int, int, int]:
    seen = path.stat()
    return stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid


def checksum_of(path: Path) -> str | None:
    """Return the SHA-256 of a file; None: it can't be read."""
    try:
        return hashlib.sha256(read_regular(path)).hexdigest()
    except OSError:
        return None
