"""What can be wrong with the files of a generation. Files are replaced, never changed: they may be links to those in service."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from support.cas import certificates as toy_ca

KEY = re.compile(rb"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----\n", re.DOTALL)
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)
Damage = Callable[[Sequence[Path]], None]
"""Damages the files of one part of a generation."""


def put(path: Path, content: bytes) -> None:
    """Put another file in the place of `path`, with its mode and owner."""
    status = path.stat()
    beside = path.with_name(f".{path.name}.other")
    beside.touch(mode=0o600)
    beside.write_bytes(content)
    os.chown(beside, status.st_uid, status.st_gid)
    beside.chmod(status.st_mode & 0o777)
    beside.rename(path)


def _each(pattern: re.Pattern[bytes], files: Sequence[Path], new: Callable[[int], bytes]) -> None:
    """Replace what `pattern` finds by `new(how many were found before in the file)`."""
    damaged = 0
    for path in files:
        before = path.read_bytes()
        parts = pattern.split(before)
        after = parts[0] + b"".join(new(number) + part for number, part in enumerate(parts[1:]))
        if after != before:
            put(path, after)
            damaged += 1
    assert damaged, f"nothing to damage in {files}"


def wrong_key(files: Sequence[Path]) -> None:
    other = toy_ca.key_pem(toy_ca.p256_key())
    _each(KEY, files, lambda _number: other)


def garbage_key(files: Sequence[Path]) -> None:
    _each(KEY, files, lambda _number: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")


def garbage_chain(files: Sequence[Path]) -> None:
    _each(CERTIFICATE, files, lambda _number: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def leaf_only(files: Sequence[Path]) -> None:
    """Cut the chain off behind its first certificate; where each has a file, put the first in place of the second."""
    damaged = 0
    if beside := [path for path in files if path.parent.name == "x509ca" and ".root." not in path.name]:
        (leaf,) = (path for path in files if path.parent.name == "x509")
        put(beside[0], leaf.read_bytes())
        return
    for path in files:
        found = CERTIFICATE.findall(path.read_bytes())
        if len(found) > 1:
            put(path, path.read_bytes().replace(b"".join(found), found[0]))
            damaged += 1
    assert damaged, f"no chain in {files}"


def _holding(pattern: re.Pattern[bytes], files: Sequence[Path]) -> list[Path]:
    found = [path for path in files if path.is_file() and pattern.search(path.read_bytes())]
    assert found, f"nothing of the kind in {files}"
    return found


def missing_key(files: Sequence[Path]) -> None:
    for path in _holding(KEY, files):
        path.unlink()


def missing_chain(files: Sequence[Path]) -> None:
    for path in _holding(CERTIFICATE, files):
        path.unlink()


def unreadable(files: Sequence[Path]) -> None:
    """Let nobody read them; root can all the same."""
    for path in _holding(KEY, files):
        put(path, path.read_bytes())
        path.chmod(0)
