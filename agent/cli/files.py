"""Files that a person names on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.errors.usage import FileUnwritable, InputUnreadable

if TYPE_CHECKING:
    from agent.inspection import InputFile

DESCRIPTORS, STDIN = frozenset({Path("/dev/fd"), Path("/proc/self/fd")}), Path("/dev/stdin")
FILE = click.Path(dir_okay=False, path_type=Path)


def input_files(paths: Iterable[Path]) -> list[InputFile]:
    """Read files for inspection. Raises `InputUnreadable`."""
    from agent.inspection import InputFile

    return [InputFile(path.name, _read(path)) for path in paths]


def passphrase_of(path: Path | None) -> bytes | None:
    """Return the passphrase in a file. Raises `InputUnreadable`."""
    return _read(path).rstrip(b"\r\n") if path else None


def write_file(path: Path, data: bytes, *, mode: int = 0o644, new: bool = False) -> None:
    """Write a file, or replace it unless it has to be `new`. Raises `FileUnwritable`."""
    from agent.system.writing import replace, write_new

    try:
        (write_new if new else replace)(path.absolute(), data, mode=mode)
    except OSError as error:
        raise FileUnwritable(str(path), (error.strerror or str(error)).lower()) from error


def _read(path: Path) -> bytes:
    """Read a file that its caller has named, whoever wrote it. A pipe that the shell gives by its number is waited for.

    Any other pipe is an error. Raises `InputUnreadable`.
    """
    from agent.system.trust import read_descriptor, read_regular

    try:
        return read_descriptor(path) if path.parent in DESCRIPTORS or path == STDIN else read_regular(path)
    except OSError as error:
        raise InputUnreadable(str(path), (error.strerror or str(error)).lower()) from error
