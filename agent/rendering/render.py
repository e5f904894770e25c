"""Rendering of module and chains into files, as data. Nothing is written here."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, TypeVar

from agent.contract.context import DIRECTORY_MARK, NUMBER_MARK, ChainFacts, Context, ServiceContext
from agent.contract.fields import Secret
from agent.contract.file import ChainFile, File, Template, Text
from agent.contract.placeholders import filled_file, for_slot
from agent.contract.service import Service
from agent.errors.plugin import DeclarationRefused
from agent.model.deployment import ManifestFile, parts_of
from agent.rendering.templates import Templates

F = TypeVar("F", bound=File)


@dataclass(frozen=True)
class Rendering:
    """Contents of a generation."""

    files: tuple[ManifestFile, ...]
    texts: Mapping[str, str]
    """SHA-256 -> text, with marks for directory and number."""
    chains: Mapping[str, str]
    """Slot -> id."""
    passwords: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    """Of files, by what their manifest says of it."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the files; the same for the same files in another generation."""
        return digest_of(self.files)

    def part(self, slot: str | None) -> tuple[ManifestFile, ...]:
        """Return the files of one slot; of the module as a whole for None."""
        return self._parts.get(slot, ())

    @cached_property
    def _parts(self) -> Mapping[str | None, tuple[ManifestFile, ...]]:
        return parts_of(self.files)


def digest_of(files: Iterable[ManifestFile]) -> str:
    """Return a SHA-256 over files in any order."""
    rows = sorted(json.dumps(file.to_json()) for file in files)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


@dataclass(frozen=True)
class Ownership:
    """Owner and group of a module's files unless it says otherwise. Empty: root, or the caller."""

    user: str = ""
    group: str = ""


def render_module(
    settings: object,
    chain_files: Iterable[ChainFile],
    config_files: Iterable[Template | Text],
    context: Context,
    templates: Templates,
    ownership: Ownership,
) -> Rendering:
    """Return the files of a generation with the chains of ``context.chains``, from what the module has answered.

    Raises `TemplateRefused` or `DeclarationRefused`.
    """
    name = context.module
    chain_files = _expanded(name, chain_files, context)
    config_files = _expanded(name, config_files, context)
    values = _context_values(context) | {"module": settings}
    texts: dict[str, str] = {}
    passwords: dict[str, Secret] = {}
    files = [_chain_entry(name, file, context.chains, ownership, passwords) for file in chain_files]
    files += [_text_entry(file, values, templates, texts, ownership) for file in config_files]
    _refuse_duplicates(name, files)
    chains = {slot: chain.id for slot, chain in context.chains.items()}
    return Rendering(tuple(files), texts, chains, passwords)


def entry_of(
    service: Service, config_files: Iterable[Template | Text], context: ServiceContext, templates: Templates
) -> Rendering:
    """Return the files of a shared service's entry, from what the service has answered."""
    values = {
        "service": service,
        "dir": context.directory,
        "generation": NUMBER_MARK,
        "parts": context.parts,
        "host": context.host,
        "http01": context.http01,
        "places": context.places,
    }
    texts: dict[str, str] = {}
    ownership = Ownership(group=service.group)
    declared = [filled_file(file, context) for file in config_files]
    files = [_text_entry(file, values, templates, texts, ownership) for file in declared]
    _refuse_duplicates(service.name, files)
    return Rendering(tuple(files), texts, {})


def filled_in(text: str, directory: str, number: int) -> str:
    """Return a text with directory and number in place of the marks."""
    return text.replace(DIRECTORY_MARK, directory).replace(NUMBER_MARK, str(number))


def _context_values(context: Context) -> dict[str, Any]:
    return {
        "instance": context.module,
        "dir": context.directory,
        "generation": context.generation,
        "chains": context.chains,
        "host": context.host,
        "http01": context.http01,
        "places": context.places,
        "services": context.services,
        "issuers": context.issuers,
    }


def _expanded(name: str, files: Iterable[F], context: Context) -> list[F]:
    """Fill in placeholders, make one file a slot of those with ``{slot}`` in their path, and leave out parts without a chain."""
    found: list[F] = []
    slots = context.chains
    for file in (filled_file(each, context) for each in files):
        if file.slot is not None:
            found += [for_slot(file, file.slot)] if file.slot in slots else []
        elif "{slot}" in file.path:
            found += [for_slot(file, slot) for slot in slots]
        elif isinstance(file, ChainFile):
            found += [for_slot(file, _only(name, file, slots))] if slots else []
        else:
            found.append(file)
    return found


def _only(name: str, file: ChainFile, slots: Mapping[str, object]) -> str:
    if len(slots) > 1:
        reason = f'file "{file.path}" doesn\'t say which of the slots {", ".join(slots)} it is of'
        raise DeclarationRefused(name, "receive_chains", reason)
    return next(iter(slots))


def _chain_entry(
    name: str, file: ChainFile, chains: Mapping[str, ChainFacts], ownership: Ownership, passwords: dict[str, Secret]
) -> ManifestFile:
    if file.slot is None or not file.parts:
        raise DeclarationRefused(name, "receive_chains", f'file "{file.path}" names no part of a chain')
    return ManifestFile(
        path=file.path,
        slot=file.slot,
        mode=file.mode,
        owner=file.owner if file.owner is not None else ownership.user,
        group=file.group if file.group is not None else ownership.group,
        chain=chains[file.slot].id,
        parts=tuple(str(part) for part in file.parts),
        format=str(file.format),
        index=file.index,
        publish=str(file.publish) if file.publish else None,
        how=file.how,
        password=_noted(file, passwords),
    )


def _noted(file: ChainFile, passwords: dict[str, Secret]) -> str | None:
    """Note the password of a file. Return what its manifest says of it."""
    if file.password is None:
        return None
    digest = hashlib.sha256(f"{file.path}\0{file.password.reveal()}".encode()).hexdigest()
    passwords[digest] = file.password
    return digest


def _text_entry(
    file: Template | Text, values: Mapping[str, Any], templates: Templates, texts: dict[str, str], ownership: Ownership
) -> ManifestFile:
    if isinstance(file, Template):
        text = templates.render(file.source, {**values, "slot": file.slot, **file.values})
    else:
        text = file.text
    digest = hashlib.sha256(text.encode()).hexdigest()
    texts[digest] = text
    return ManifestFile(
        path=file.path,
        slot=file.slot,
        mode=file.mode,
        owner=file.owner or "",
        group=file.group if file.group is not None else ownership.group,
        text=digest,
        publish=str(file.publish) if file.publish else None,
        how=file.how,
    )


def _refuse_duplicates(name: str, files: Sequence[ManifestFile]) -> None:
    seen = {str(PurePosixPath(file.path)) for file in files}
    if len(seen) < len(files):
        raise DeclarationRefused(name, "render_files", f'two files are called "{_twice(file.path for file in files)}"')
    for path in seen:
        inside = next((parent for parent in _parents(path) if parent in seen), None)
        if inside:
            raise DeclarationRefused(name, "render_files", f'"{inside}" is a file and the directory of "{path}"')
    places = [file.publish for file in files if file.publish]
    if len(set(places)) < len(places):
        raise DeclarationRefused(name, "render_files", f'two files are published to "{_twice(places)}"')


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _twice(paths: Iterable[str]) -> PurePosixPath:
    counted = Counter(map(PurePosixPath, paths))
    return counted.most_common(1)[0][0]
