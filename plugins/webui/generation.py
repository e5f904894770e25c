"""One generation of the web interface, read whole from its own immutable directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from plugins.webui.errors import GenerationFileUnreadable, ManifestMalformed, NoGeneration, WebUIError
from plugins.webui.tls import SlotChain, SlotContext, slot_context

_T = TypeVar("_T")
_WORDS = {int: "a number", str: "a string", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Generation:
    """What is served from now on: one ready TLS context a slot, and which name gets which."""

    number: int
    directory: Path
    contexts: Mapping[str, SlotContext]
    """By slot."""
    names: Mapping[str, SlotContext]
    """By name in lower case; wildcards as they stand in the certificate."""
    default: SlotContext

    def choose(self, server_name: str | None) -> SlotContext:
        """Return the context for an SNI value: exact name, then a wildcard for its first label, then the default.

        A client that connects by address sends no SNI (RFC 6066 section 3), so it gets the default.
        """
        name = (server_name or "").rstrip(".").lower()
        wildcard = f"*.{name.partition('.')[2]}"
        return self.names.get(name) or self.names.get(wildcard) or self.default


def load_generation(live: Path, *, rescue: bool = False) -> Generation:
    """Return the generation that `live` names now.

    `rescue`: where the chain of another slot than the default one can't be used, the default one stands in for it.

    The symbolic link is resolved once, so that a switch in the middle cannot mix two generations, and the contexts are
    new: a context keeps one chain a key type, so loading an ECDSA chain into one that served RSA would keep both.

    Raises: `WebUIError`, and then nothing has changed.
    """
    directory = Path(os.path.realpath(live))
    _require_directory(live, directory)
    manifest = directory / "generation.json"
    row = _manifest(manifest)
    number = _field(row, "generation", int, manifest)
    slots = _field(row, "slots", dict, manifest)
    loading = _Loading(directory, number, slots, str(row.get("default")))
    contexts = {slot: loading.saved(slot) if rescue else loading.own(slot) for slot in slots}
    default = _field(row, "default", str, manifest)
    if default not in contexts:
        raise ManifestMalformed(manifest, f'its default slot "{default}" is not among its slots')
    return Generation(number, directory, contexts, _names(slots, contexts, manifest), contexts[default])


def listen_of(live: Path) -> list[tuple[str, int]]:
    """Return the hosts and ports that the generation that `live` names now is made for. Raises: `WebUIError`."""
    directory = Path(os.path.realpath(live))
    _require_directory(live, directory)
    manifest = directory / "generation.json"
    rows = _field(_manifest(manifest), "listen", list, manifest)
    for row in rows:
        if type(row) is not list or [type(each) for each in row] != [str, int]:
            raise ManifestMalformed(manifest, '"listen" is not a list of hosts and ports')
    return [(host, port) for host, port in rows]


def _require_directory(live: Path, directory: Path) -> None:
    try:
        directory.stat()
    except FileNotFoundError as error:
        raise NoGeneration(live) from error
    except OSError as error:
        raise GenerationFileUnreadable(directory, error.strerror or str(error)) from error


def _manifest(path: Path) -> dict[str, Any]:
    try:
        row = json.loads(_read(path))
    except ValueError as error:
        raise ManifestMalformed(path, f"it is not JSON ({error})") from error
    if type(row) is not dict:
        raise ManifestMalformed(path, "it is not an object")
    return row


@dataclass(frozen=True, slots=True)
class _Loading:
    """The slots of one generation on their way to contexts."""

    directory: Path
    number: int
    slots: dict[str, Any]
    default: str

    def own(self, slot: str, instead_of: str = "", refused: str = "") -> SlotContext:
        row = _field(self.slots, slot, dict, self.directory / "generation.json")
        certificate, key = _file(self.directory, row, "certificate"), _file(self.directory, row, "key")
        pem = _read(certificate)
        _read(key)  # OpenSSL's error would not say which of the two files is missing
        return slot_context(SlotChain(self.number, slot, pem, instead_of, refused), certificate, key)

    def saved(self, slot: str) -> SlotContext:
        try:
            return self.own(slot)
        except WebUIError as error:
            if slot == self.default:
                raise
            return self.own(self.default, slot, error.problem.cause)


def _names(slots: dict[str, Any], contexts: dict[str, SlotContext], manifest: Path) -> dict[str, SlotContext]:
    names: dict[str, SlotContext] = {}
    for slot, context in contexts.items():
        for name in _field(slots[slot], "names", list, manifest):
            names.setdefault(str(name).lower(), context)
    return names


def _file(directory: Path, row: dict[str, Any], key: str) -> Path:
    manifest = directory / "generation.json"
    relative = PurePosixPath(_field(row, key, str, manifest))
    if relative.is_absolute() or ".." in relative.parts:
        raise ManifestMalformed(manifest, f'{key} "{relative}" lies outside the generation')
    return directory / relative


def _field(row: dict[str, Any], key: str, kind: type[_T], manifest: Path) -> _T:
    value = row.get(key)
    if type(value) is not kind:
        raise ManifestMalformed(manifest, f'"{key}" is missing or is not {_WORDS[kind]}')
    return value


def _read(path: Path) -> bytes:
    """Return the content of `path`. Raises: `GenerationFileUnreadable`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise GenerationFileUnreadable(path, error.strerror or str(error)) from error
