"""Container of a backup's parts: a tar file (POSIX ustar), which ``age -d FILE | tar t`` lists.

The reader takes nothing but regular files, just those of the manifest and in its order, so that neither a name nor a kind
in the container can lead anywhere.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.backup.manifest import MOST_BYTES, Manifest, Part
from agent.errors.backup import BackupDamaged, NotABackup

if TYPE_CHECKING:
    from agent.pki.age import Source, Target

MANIFEST = "manifest.json"
BLOCK = tarfile.BLOCKSIZE
PIECE = 1024 * 1024
"""Bytes that are in memory at a time."""
LONGEST = 100
"""Bytes of a name in a header; a part with a longer one is called by its number."""


def put(target: Target, name: str, size: int, source: Source) -> None:
    """Write one file. Raises `ValueError` where `source` has fewer bytes than `size`."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    target.write(entry.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict"))
    for piece in pieces(source, size):
        target.write(piece)
    target.write(bytes(-size % BLOCK))


def put_end(target: Target) -> None:
    """Write the end of the container."""
    target.write(bytes(2 * BLOCK))


def member_name(part: Part, index: int) -> str:
    """Return what a part is called in the container."""
    return part.path if len(part.path.encode()) <= LONGEST else f"part-{index}"


def pieces(source: Source, size: int) -> Iterator[bytes]:
    """Yield `size` bytes in pieces. Raises `ValueError` where there are fewer."""
    left = size
    while left:
        piece = source.read(min(left, PIECE))
        if not piece:
            raise ValueError("it became shorter meanwhile")
        left -= len(piece)
        yield piece


class ArchiveReader:
    """Reads a container: the manifest first, then its parts one after the other. Raises `BackupError`."""

    def __init__(self, source: Source, file: str) -> None:
        self._source = source
        self._file = file
        self.manifest = self._manifest()

    def _manifest(self) -> Manifest:
        entry = self._entry(NotABackup(self._file, "it is an age file of another program"))
        if entry.name != MANIFEST or entry.size > MOST_BYTES:
            raise NotABackup(self._file, "it is an age file of another program")
        data = b"".join(self._content(entry.size))
        return Manifest.from_json(data, self._file)

    def parts(self) -> Iterator[tuple[Part, Iterator[bytes]]]:
        """Yield each part with its bytes, which are to be taken before the next one is asked for, and checked by then."""
        for index, part in enumerate(self.manifest.parts):
            entry = self._entry(BackupDamaged(self._file, f"{part.path} is not in it"))
            if entry.name != member_name(part, index) or entry.size != part.size:
                raise BackupDamaged(self._file, f"{part.path} is not what its manifest says")
            yield part, self._checked(part)
        if self._source.read(2 * BLOCK) != bytes(2 * BLOCK) or self._source.read(1):
            raise BackupDamaged(self._file, "it has more in it than its manifest says")

    def _checked(self, part: Part) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in self._content(part.size):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != part.sha256:
            raise BackupDamaged(self._file, f"{part.path} is not what its manifest says")

    def _content(self, size: int) -> Iterator[bytes]:
        try:
            yield from pieces(self._source, size)
        except ValueError as error:
            raise BackupDamaged(self._file, "it ends too early") from error
        self._source.read(-size % BLOCK)

    def _entry(self, error: NotABackup | BackupDamaged) -> tarfile.TarInfo:
        try:
            entry = tarfile.TarInfo.frombuf(self._source.read(BLOCK), "utf-8", "strict")
        except (tarfile.HeaderError, ValueError):
            raise error from None
        if entry.type != tarfile.REGTYPE or entry.size < 0:
            raise error
        return entry


def checksum(source: Source) -> tuple[int, str]:
    """Return size and SHA-256 of what can be read."""
    digest, size = hashlib.sha256(), 0
    while piece := source.read(PIECE):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()
