"""Configuration for charon: a directory laid out like /etc/swanctl, read into messages of vici."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

from plugins.ikev2 import vocabulary
from plugins.ikev2.grammar import Section, Unreadable, parse

Message: TypeAlias = dict[str, "str | bytes | list[str] | list[bytes] | Message"]
BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+(.*?)-----END \1-----", re.DOTALL)
AUTHENTICATION = re.compile(r"(?:local|remote)(?:[-_].+)?")
OWNER = re.compile(r"id(?:-?\w+)?")
SECTIONS = ("connections", "pools", "secrets")


@dataclass
class Configuration:
    """Everything that is loaded of one generation, or of several."""

    keys: dict[str, bytes] = field(default_factory=dict)
    """Files with their keys, PEM."""
    leaves: dict[str, bytes] = field(default_factory=dict)
    authorities: dict[str, bytes] = field(default_factory=dict)
    lists: dict[str, bytes] = field(default_factory=dict)
    """Files with certificates or lists of revoked ones, DER."""
    connections: dict[str, Message] = field(default_factory=dict, repr=False)
    pools: dict[str, Message] = field(default_factory=dict)
    secrets: dict[str, Message] = field(default_factory=dict, repr=False)
    initiated: dict[str, list[str]] = field(default_factory=dict)
    """Connections that this side begins, with their children."""
    anchors: set[bytes] = field(default_factory=set)
    """CA certificates that connections take peers by, DER."""

    def read(self, directory: Path) -> None:
        """Add the contents of `directory`. Raises `Unreadable`."""
        self.keys |= {str(path): _one_block(path)[1] for path in _files(directory, "private")}
        self.leaves |= _certificates(directory, "x509")
        self.authorities |= _certificates(directory, "x509ca")
        self.lists |= {str(path): _one_block(path)[0] for path in _files(directory, "x509crl")}
        for path in _files(directory, "conf.d"):
            _File(self, directory, path).read()


def read(directories: list[Path]) -> Configuration:
    """Return the contents of directories that are laid out like /etc/swanctl. Raises `Unreadable`."""
    found = Configuration()
    for directory in directories:
        found.read(directory)
    return found


class _File:
    """One file of ``conf.d``."""

    def __init__(self, configuration: Configuration, directory: Path, path: Path) -> None:
        self._configuration = configuration
        self._directory = directory
        self._path = path

    def read(self) -> None:
        top = parse(_text(self._path), str(self._path))
        self._expect(top, frozenset(), "a file", sections=SECTIONS)
        for name, section in self._named(top, "connections"):
            self._add(self._configuration.connections, name, self._connection(name, section), section)
        for name, section in self._named(top, "pools"):
            self._expect(section, vocabulary.POOL, f"the pool {name}")
            self._add(self._configuration.pools, name, self._values(section), section)
        for name, section in self._named(top, "secrets"):
            self._add(self._configuration.secrets, name, self._secret(name, section), section)

    def _named(self, top: Section, kind: str) -> Iterator[tuple[str, Section]]:
        if kind in top.sections:
            self._expect(top.sections[kind], frozenset(), kind, sections=top.sections[kind].sections)
            yield from top.sections[kind].sections.items()

    def _add(self, known: dict[str, Message], name: str, message: Message, section: Section) -> None:
        if name in known:
            raise self._refusal(section, f'"{name}" stands in another file too')
        known[name] = message

    def _connection(self, name: str, section: Section) -> Message:
        rounds = [each for each in section.sections if AUTHENTICATION.fullmatch(each)]
        self._expect(section, vocabulary.CONNECTION, f"the connection {name}", sections=[*rounds, "children"])
        message = self._values(section)
        for each in rounds:
            self._expect(section.sections[each], vocabulary.AUTHENTICATION, f"{each} of the connection {name}")
            message[each] = values = self._values(section.sections[each])
            self._configuration.anchors |= set(cast("list[bytes]", values.get("cacerts", [])))
        children = section.sections.get("children", Section(section.line)).sections
        if not rounds or not children:
            raise self._refusal(section, f"the connection {name} needs local, remote and children")
        message["children"] = {child: self._child(name, child, found) for child, found in children.items()}
        return message

    def _child(self, connection: str, name: str, section: Section) -> Message:
        self._expect(section, vocabulary.CHILD, f"the child {name} of the connection {connection}")
        message = self._values(section)
        if message.get("start_action") == "start":
            # charon ends such a child and begins it again whenever its connection is loaded: that is done here instead.
            message["start_action"] = "none"
            self._configuration.initiated.setdefault(connection, []).append(name)
        return message

    def _secret(self, name: str, section: Section) -> Message:
        owners = [each for each in section.values if OWNER.fullmatch(each)]
        self._expect(section, vocabulary.EAP_SECRET | set(owners), f"the secret {name}")
        if not name.startswith("eap") or "secret" not in section.values or not owners:
            raise self._refusal(section, f'the secret {name} must be called "eap-..." and have an id and a secret')
        data = self._decoded(name, section)
        return {"id": name, "type": "EAP", "data": data, "owners": [section.values[each] for each in owners]}

    def _decoded(self, name: str, section: Section) -> bytes:
        """A secret is text, or base64 after ``0s`` (swanctl.conf(5))."""
        text = section.values["secret"]
        if not text.startswith("0s"):
            return text.encode()
        try:
            return base64.b64decode(text[2:], validate=True)
        except binascii.Error:
            raise self._refusal(section, f"the secret {name} is no base64") from None

    def _values(self, section: Section) -> Message:
        message: Message = {}
        for key, value in section.values.items():
            if key in vocabulary.FILES:
                message[key] = [self._certificate(section, key, name) for name in _split(value)]
            else:
                message[key] = _split(value) if key in vocabulary.LISTS else value
        return message

    def _certificate(self, section: Section, key: str, name: str) -> bytes:
        path = self._directory / vocabulary.FILES[key] / name
        try:
            return _one_block(path)[0]
        except Unreadable as error:
            raise self._refusal(section, f"{key} can't be used: {error}") from None

    def _expect(
        self,
        section: Section,
        keys: frozenset[str],
        what: str,
        *,
        sections: list[str] | tuple[str, ...] | dict[str, Section] = (),
    ) -> None:
        unknown = [each for each in section.values if each not in keys]
        unknown += [each for each in section.sections if each not in sections]
        if unknown:
            raise self._refusal(section, f'{what} can\'t have "{unknown[0]}"')

    def _refusal(self, section: Section, what: str) -> Unreadable:
        return Unreadable(f"{self._path}, line {section.line}: {what}")


def _files(directory: Path, kind: str) -> list[Path]:
    """Return the files of a directory that hold anything: where a chain's root isn't known, its file is empty."""
    return [path for path in sorted((directory / kind).glob("*")) if path.is_file() and path.stat().st_size]


def _certificates(directory: Path, kind: str) -> dict[str, bytes]:
    return {str(path): _one_block(path)[0] for path in _files(directory, kind)}


def _one_block(path: Path) -> tuple[bytes, bytes]:
    """Return what the one PEM block of a file holds, and all of the file: charon would not read a second block."""
    data = _content(path)
    blocks = BLOCK.findall(data)
    if len(blocks) != 1:
        raise Unreadable(f"{path} holds {len(blocks)} PEM blocks in place of one")
    try:
        return base64.b64decode(b"".join(blocks[0][1].split()), validate=True), data
    except binascii.Error:
        raise Unreadable(f"{path} is damaged") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _text(path: Path) -> str:
    try:
        return _content(path).decode()
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is no text") from None


def _split(value: str) -> list[str]:
    return [each for each in re.split(r"[\s,]+", value) if each]
