"""Manifest of a backup: what is in it, from where, with a checksum of each part. It is the first thing in the file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self, TypeVar

from agent.errors.backup import BackupDamaged, BackupTooNew, NotABackup
from agent.system.replacement import OURS

FORMAT = 1
PRODUCT = "chainwright"
DATABASE = "database"
MASTER_KEY = "master.key"
SEALED, SETTINGS = "sealed/", "etc/"
SEALED_NAME = re.compile(r"(root|account)-[A-Za-z0-9_-]{1,64}\.(sealed|pem)")
"""Files of ``private/`` that keep a key for the day on which the database is lost."""
LONGEST_PATH, LONGEST_NAME = 1024, 255
"""Bytes."""
LARGEST_SETTING = 4 * 1024 * 1024
LARGEST_DATABASE = 16 * 1024**3
MOST_PARTS = 20_000
MOST_BYTES = 64 * 1024 * 1024
"""Of the manifest itself."""
CHECKSUM = re.compile(r"[0-9a-f]{64}")

M = TypeVar("M", bound="Manifest")


@dataclass(frozen=True, slots=True)
class Part:
    """One file in a backup."""

    path: str
    """``database``, ``master.key``, ``sealed/NAME``, or ``etc/PATH`` below ``/etc/chainwright``."""
    size: int
    sha256: str
    mode: int = 0o600
    """Of a file of the settings: what of it is for reading is put back."""


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What a module had to do with the machine that it was on."""

    name: str
    plugin: str
    chains: Mapping[str, str] = field(default_factory=dict)
    """Slot -> names of the chain that it is bound to."""
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    """Absolute paths of the commands that test and reload its services."""
    addresses: tuple[str, ...] = ()
    """``HOST:PORT`` or ``unix:PATH``."""
    listeners: Mapping[str, str] = field(default_factory=dict)
    """Port of TCP -> name of the program that listens there."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts of the machine that a backup is of."""

    hostname: str
    addresses: tuple[str, ...] = ()
    release: str = ""
    plugins: tuple[str, ...] = ()
    """Names under which plugins are installed."""
    elsewhere: tuple[str, ...] = ()
    """Files outside of ``/etc/chainwright`` that the settings name: they are not in the backup."""
    modules: tuple[ModuleFacts, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Word of what is in it -> how many."""
    migrations: tuple[str, ...] = ()
    """Steps that have made the database."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is known of a backup before its parts are read."""

    made_at: str
    """RFC 3339."""
    machine: Machine
    parts: tuple[Part, ...]
    left_out: tuple[str, ...] = ()
    """Files of ``/etc/chainwright`` that are not in it, each with the reason."""

    def to_json(self) -> bytes:
        """Return what is written."""
        return json.dumps({"product": PRODUCT, "format": FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes, file: str) -> Self:
        """Read and check what a file says. Raises `NotABackup`, `BackupTooNew` and `BackupDamaged`."""
        try:
            row = json.loads(data)
            product, form = row["product"], row["format"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise NotABackup(file, "it is an age file of another program") from None
        if product != PRODUCT:
            raise NotABackup(file, "it is an age file of another program")
        if form != FORMAT:
            raise BackupTooNew(file, f"format {form}")
        try:
            return _manifest(cls, row)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:  # the last: Infinity
            raise BackupDamaged(file, f"its manifest can't be used ({error})") from error


def _manifest(kind: type[M], row: Mapping[str, Any]) -> M:
    machine = dict(row["machine"])
    modules = tuple(_module(each) for each in _listed(machine.pop("modules")))
    texts = {name: _texts(machine.pop(name)) for name in ("addresses", "plugins", "elsewhere", "migrations")}
    counts = {str(word): int(number) for word, number in machine.pop("counts").items()}
    known = Machine(
        hostname=str(machine["hostname"]), release=str(machine["release"]), modules=modules, counts=counts, **texts
    )
    parts = tuple(_part(each) for each in _listed(row["parts"]))
    _check_together(parts)
    return kind(str(row["made_at"]), known, parts, _texts(row["left_out"]))


def _module(row: Mapping[str, Any]) -> ModuleFacts:
    texts = {name: _texts(row[name]) for name in ("users", "groups", "programs", "addresses")}
    chains = {str(slot): str(names) for slot, names in row["chains"].items()}
    listeners = {str(port): str(name) for port, name in row["listeners"].items()}
    return ModuleFacts(str(row["name"]), str(row["plugin"]), chains, listeners=listeners, **texts)


def _part(row: Mapping[str, Any]) -> Part:
    part = Part(str(row["path"]), int(row["size"]), str(row["sha256"]), int(row["mode"]))
    if not _is_known(part.path):
        raise ValueError(f"the part {part.path!r} has no place")
    if not 0 <= part.size <= _largest(part.path) or not CHECKSUM.fullmatch(part.sha256):
        raise ValueError(f"the part {part.path!r} has no size or checksum that is possible")
    return part


def _largest(path: str) -> int:
    return LARGEST_DATABASE if path == DATABASE else LARGEST_SETTING


def _check_together(parts: Sequence[Part]) -> None:
    paths = [part.path for part in parts]
    if len(set(paths)) != len(paths) or len(paths) > MOST_PARTS:
        raise ValueError("a part is in it twice, or there are too many")
    if not {DATABASE, MASTER_KEY} <= set(paths):
        raise ValueError("the database or the master key is not in it")
    files = set(paths)
    for path in paths:
        above = path.split("/")[:-1]
        if any("/".join(above[:depth]) in files for depth in range(1, len(above) + 1)):
            raise ValueError(f"the part {path!r} lies in a file")


def _is_known(path: str) -> bool:
    """Whether a part has its place: below ``/etc/chainwright``, or as one of the files of ``private/`` that are carried."""
    if path in {DATABASE, MASTER_KEY}:
        return True
    if path.startswith(SEALED):
        return SEALED_NAME.fullmatch(path.removeprefix(SEALED)) is not None
    return path.startswith(SETTINGS) and is_setting(path.removeprefix(SETTINGS))


def is_setting(path: str) -> bool:
    """Whether a path below ``/etc/chainwright`` can be carried: it leads nowhere else, and is no file of a restore."""
    names = path.split("/")
    whole = all(name not in {"", ".", ".."} and len(name.encode()) <= LONGEST_NAME for name in names)
    return whole and path.isprintable() and len(path.encode()) <= LONGEST_PATH and not OURS.fullmatch(names[0])


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list is something else")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in _listed(value))
