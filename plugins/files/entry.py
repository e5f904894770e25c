"""One chain that is published: its names, its files, and where it is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from chainwright import (
    ChainFile,
    Endpoint,
    KeyType,
    Name,
    PathText,
    Port,
    Secret,
    StartTLS,
    Word,
    concrete_name,
    first_repeated,
    is_address,
    is_public,
    slot_of,
)
from plugins.files.formats import CONTENTS, Content, Kind

OTHERS = 0o007
POSSIBLE = 0o644
"""Bits that a file's mode may have: nobody but its owner writes, and nobody executes."""


def _mode(value: Any) -> Any:
    """Read ``"0640"`` or TOML's own ``0o640``; 640 without either would be another number."""
    if isinstance(value, str) and value and set(value) <= set("01234567"):
        value = int(value, 8)
    if not isinstance(value, int) or isinstance(value, bool) or value & ~POSSIBLE or not value & 0o400:
        raise ValueError('must be like "0640": read for owner, group or others, and write for the owner at most')
    return value


Mode = Annotated[int, BeforeValidator(_mode)]


class PublishedFile(BaseModel):
    """One ``[[modules.NAME.chains.files]]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    format: Kind = Field(description="what is in it")
    path: PathText | None = Field(None, description="where a copy of it is; default: it is in the chain's directory")
    name: Word | None = Field(None, description="its name in the directory; default: by its format")
    owner: Word | None = Field(None, description="owner, of a copy; default: root")
    group: Word | None = Field(None, description="group, of a copy; default: root")
    mode: Mode | None = Field(None, description='for example "0640"; default: see the page of the module')
    password: Secret | None = Field(None, description="of a PKCS#12 file; none: it has no password")

    @property
    def content(self) -> Content:
        """Parts and encoding."""
        return CONTENTS[self.format]

    @property
    def called(self) -> str:
        """Name in the directory."""
        return self.name or self.content.usual_name

    def mode_for(self, group: str | None) -> int:
        """Return the mode; `group`: who may read it beside its owner."""
        if self.mode is not None:
            return self.mode
        if self.path and not self.content.secret:
            return 0o644
        return 0o640 if group else 0o600

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mode is not None and self.mode & OTHERS and self.content.secret:
            raise ValueError(
                f"mode {self.mode:04o} would let every user read the key; give it an owner or a group instead"
            )
        if self.mode is not None and self.mode & OTHERS and not self.path:
            raise ValueError(
                "a file in a directory is read by its group at most; publish a copy with path for all users"
            )
        if not self.path and (self.owner or self.group):
            raise ValueError("owner and group are for a copy with path; a directory is entered by directory_group")
        if self.path and self.name:
            raise ValueError("name is for a file in the directory, and path for a copy; set one of the two")
        if self.password is not None and self.format is not Kind.PKCS12:
            raise ValueError("only a PKCS#12 file has a password")
        return self


class SeenAt(BaseModel):
    """One ``[[modules.NAME.chains.endpoints]]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    port: Port = Field(description="port at which the chain is served")
    host: str = Field("127.0.0.1", description='address; "0.0.0.0" or "::": each one of this machine')
    server_name: Name | None = Field(None, description="name that is asked for (SNI); default: the chain's first one")
    starttls: StartTLS | None = Field(None, description="protocol before TLS; default: none")

    @model_validator(mode="after")
    def _host_is_an_address(self) -> Self:
        if not is_address(self.host):
            raise ValueError(f'host is an address of this machine, and "{self.host}" is none')
        return self


class Entry(BaseModel):
    """One ``[[modules.NAME.chains]]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    names: tuple[Name, ...] = Field(min_length=1, max_length=100, description="names and addresses of the chain")
    name: str | None = Field(
        None,
        pattern=r"^[a-z0-9_][a-z0-9._-]*$",
        max_length=120,
        description="its slot; default: made of the first name",
    )
    key_type: KeyType | None = Field(None, description="key type to ask for; default: the module's")
    directory: PathText | None = Field(
        None, description="link to a directory with the files, all of which change in one step"
    )
    files: tuple[PublishedFile, ...] = Field((), description="the files; default: key and fullchain, in the directory")
    separate: bool = Field(
        False, description="true: a key at a path of its own may be another one than its certificate's for a moment"
    )
    endpoints: tuple[SeenAt, ...] = Field((), description="where the chain is seen")

    @property
    def slot(self) -> str:
        """What it is called."""
        return self.name or slot_of(self.names[0], 120)

    @property
    def published(self) -> tuple[PublishedFile, ...]:
        """The files; where none is named, what most servers want."""
        return self.files or (PublishedFile(format=Kind.KEY), PublishedFile(format=Kind.FULLCHAIN))

    def places(self) -> Iterator[str]:
        """Give the paths that the service is to name."""
        yield from (each.path for each in self.published if each.path)
        if self.directory:
            yield self.directory

    def chain_files(self, group: str | None) -> Iterator[ChainFile]:
        """Give what the core writes. `group`: the module's, which enters directories."""
        link = Path(self.directory) if self.directory else None
        for number, each in enumerate(self.published):
            mode, content = each.mode_for(each.group or group), each.content
            common: dict[str, Any] = {"slot": self.slot, "parts": content.parts, "format": content.format, "mode": mode}
            common["password"] = each.password
            if each.path:
                copy = f"copies/{self.slot}/{number}.{PurePosixPath(each.path).name}"
                yield ChainFile(
                    path=copy, publish=Path(each.path), how="copy", owner=each.owner, group=each.group, **common
                )
            else:
                path = f"directories/{self.slot}/{each.called}"
                yield ChainFile(path=path, publish=link, how="directory" if link else "link", **common)
                link = None  # one link leads to all of them

    def looked_at(self) -> Iterator[Endpoint]:
        """Give where it is seen."""
        for each in self.endpoints:
            name = each.server_name or self.names[0]
            yield Endpoint(
                port=each.port,
                host=each.host,
                server_name="" if is_address(name) else concrete_name(name),
                slot=self.slot,
                starttls=each.starttls,
            )

    @model_validator(mode="after")
    def _names_of_one_kind(self) -> Self:
        public = [name for name in self.names if is_public(name) and not is_address(name)]
        local = [name for name in self.names if name not in public]
        if public and local:
            raise ValueError(
                f"no CA certifies {local[0]} with {public[0]}: make two tables of them, each with its files"
            )
        return self

    @model_validator(mode="after")
    def _files_have_a_place(self) -> Self:
        inside = [each for each in self.published if not each.path]
        if inside and not self.directory:
            raise ValueError("there is no directory for a file without path: set directory, or path")
        if self.directory and not inside:
            raise ValueError("all files have a path, and nothing is left for the directory: leave that out")
        twice = first_repeated(each.called for each in inside)
        if twice:
            raise ValueError(f"two files of the directory are called {twice}; give one of them another name")
        return self

    @model_validator(mode="after")
    def _nothing_straddles_unsaid(self) -> Self:
        halves = [each for each in self.published if each.path and each.content.is_half]
        if halves and not self.separate:
            raise ValueError(
                f"{halves[0].path} holds the key alone, and is renamed in another instant than its certificate: set directory, "
                'whose files change in one step, or format = "combined"; or separate = true, where the service reads both '
                "only when it is told to"
            )
        return self
