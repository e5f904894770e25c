"""Files of a generation, as a module declares them. The core makes, opens and installs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from agent.contract.fields import Secret
from agent.pki.encoding import Format, Part
from agent.system.argument_types import refuse_wrong_types

READ = 0o004
"""Of others, in a file's mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Properties of every file of a generation. Owner and group default to the module's."""

    path: str
    """Relative to the generation; ``{slot}`` makes it one file a slot."""
    mode: int = 0o640
    owner: str | None = None
    group: str | None = None
    slot: str | None = None
    """The part that it belongs to; None with ``{slot}`` in the path: each, otherwise the module as a whole."""
    publish: Path | None = None
    """A fixed path that the daemon wants. Must be complete in itself: key and chain in one, or a directory with both."""
    how: Literal["link", "copy", "directory"] = "link"
    """What is at that path: a link to the file, a copy of it, or a link to the directory that it is in."""

    def __post_init__(self) -> None:
        refuse_wrong_types(self)
        parts = [
            part for part in self.path.split("/") if part not in {"", "."}
        ]  # a path object takes four times as long
        if self.path.startswith("/") or ".." in parts or not parts:
            raise ValueError(f'file path "{self.path}" must be relative to the generation, without ".."')
        if not self.path.isprintable():
            raise ValueError(f"file path {self.path!a} must be printable")
        if self.mode & 0o007 & ~self._open_to_others:
            raise ValueError(f'file "{self.path}" must not be open to other users (mode {self.mode:04o})')

    @property
    def _open_to_others(self) -> int:
        """What others may do with it."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFile(File):
    """Key and chain parts, encoded by the core: the plugin never sees a key."""

    parts: tuple[Part, ...]
    format: Format = Format.PEM
    index: int | None = None
    """Which certificate of the one part, where a service reads one certificate a file."""
    mode: int = 0o600
    password: Secret | None = None
    """Of a PKCS#12 file. None: it has none."""

    def __post_init__(self) -> None:
        File.__post_init__(self)
        object.__setattr__(self, "parts", tuple(Part(part) for part in self.parts))
        if self.password is not None and self.format is not Format.PKCS12:
            raise ValueError(f'file "{self.path}" has a password, which only pkcs12 can have')

    @property
    def secret(self) -> bool:
        """Whether it contains a private key."""
        return Part.KEY in self.parts

    @property
    def _open_to_others(self) -> int:
        """Copies of certificates may be read by everybody: each client is sent them. The generation itself stays closed."""
        return 0 if self.secret or self.how != "copy" else READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Template(File):
    """Configuration file made from a Jinja2 template of the module."""

    template: str = ""
    """Name below the module's templates; default: the file's own name with ``.j2``."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Given to the template besides `module`, `instance`, `dir`, `generation`, `chains`, `host`, `http01` (and `slot`)."""

    @property
    def source(self) -> str:
        """Name of the template."""
        return self.template or f"{PurePosixPath(self.path).name}.j2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(File):
    """File whose text the module makes itself (JSON, a table). Use a template for configuration languages."""

    text: str
