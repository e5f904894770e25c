"""Types of settings whose values are safe to print in any configuration file.

None of them lets a quote, a backslash, a semicolon, a brace, a dollar sign, white space or a control character through, so
a setting can't add a directive to a service's configuration.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    PlainValidator,
    SerializationInfo,
)
from pydantic_core import CoreSchema, core_schema

from agent.system.names import is_address, is_wildcard, parse_name

WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
PATH = re.compile(r"/[A-Za-z0-9_./@:+,=~-]*")
TELLING_APART = "telling apart"
"""In the context of a serialization: secrets are digested instead of masked."""
DNS_PORT = 53
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where an address that means "every" is looked at
URL_PATH = re.compile(r"[A-Za-z0-9_./~:@!&=+,%?-]*")


def _word(text: str) -> str:
    if not WORD.fullmatch(text):
        raise ValueError('must be letters, digits, "_", "." or "-"')
    return text


def _path(text: str) -> str:
    if not PATH.fullmatch(text) or ".." in PurePosixPath(text).parts:
        raise ValueError('must be an absolute path of letters, digits and "_./@:+,=~-", without ".."')
    return text


def _wildcards(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not is_wildcard(name) and f"*.{name}" not in names:
            raise ValueError(
                f'must be wildcards, and {name} is none; it may stand beside "*.{name}", to be in one chain with it'
            )
    return tuple(dict.fromkeys(names))


def _host(text: str) -> str:
    name = parse_name(text)
    if name.startswith("*."):
        raise ValueError("must be a host name or an address, not a wildcard")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """An address and port to listen on, or to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def looked_at(self) -> str:
        """Where this machine connects to: an address that means every one is none to connect to."""
        return LOOPBACK.get(self.host, self.host)


def parse_listen(text: Any) -> Listen:
    """Read ``8443``, ``127.0.0.1:8443``, ``[::]:443`` or ``name:443``. A port alone means every IPv4 address."""
    if isinstance(text, Listen):
        return text
    match = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):)?(\d{1,5})", str(text))
    if not match or not 1 <= int(match[2]) <= 65535:
        raise ValueError('must be a port or "address:port", for example 443, "127.0.0.1:8443" or "[::]:443"')
    if match[1] and match[1].startswith("[") and not is_address(match[1][1:-1]):
        raise ValueError("only an IPv6 address stands in brackets")
    host = (match[1] or "0.0.0.0").strip("[]")  # noqa: S104 - a gateway's services face every interface
    return Listen(host=_host(host), port=int(match[2]))


def _resolver(value: Any) -> Listen:
    if isinstance(value, Listen):
        return value
    text = str(value)
    try:
        found = Listen(host=parse_name(text), port=DNS_PORT) if is_address(text) else parse_listen(text)
    except ValueError as error:
        raise ValueError(_RESOLVER) from error
    if not is_address(found.host) or text.isdigit():
        raise ValueError(_RESOLVER)
    return found


_RESOLVER = 'must be an address, with a port where it is not 53, for example "192.0.2.53" or "[2001:db8::53]:5353"'


def one_or_several(value: Any) -> Any:
    """Return a list as it is, and anything else as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


@dataclass(frozen=True, slots=True)
class Url:
    """An ``http://`` or ``https://`` address, canonical, without user, password and fragment: also a type of setting."""

    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return self.text.partition(":")[0]

    @property
    def host(self) -> str:
        """Name or address, without brackets."""
        return urlsplit(self.text).hostname or ""

    @property
    def port(self) -> int:
        """The port, also where it isn't written."""
        return urlsplit(self.text).port or {"http": 80, "https": 443}[self.scheme]

    @property
    def path(self) -> str:
        """What follows the server; empty where there is nothing."""
        return urlsplit(self.text).path

    @property
    def query(self) -> str:
        """What follows ``?``; empty where there is none."""
        return urlsplit(self.text).query

    @classmethod
    def parse(cls, text: Any) -> Url:
        """Read an address. Raises ValueError for what is none, and for what isn't safe to print in any configuration file."""
        if isinstance(text, Url):
            return text
        try:
            parts = urlsplit(str(text))
            port = parts.port
            host = _host(parts.hostname or "")
        except ValueError as error:
            raise ValueError('must be like "http://10.0.0.5:8080"') from error
        odd = "@" in parts.netloc or parts.fragment or port == 0 or parts.scheme not in {"http", "https"}
        if odd or not URL_PATH.fullmatch(parts.path + parts.query):
            raise ValueError('must be like "http://10.0.0.5:8080", without user, password or fragment')
        place = f"[{host}]" if ":" in host else host
        query = f"?{parts.query}" if parts.query else ""
        return cls(f"{parts.scheme}://{place}{f':{port}' if port else ''}{parts.path}{query}")

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept text, show text."""
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


class SecretText:
    """A secret of the settings: masked wherever it is shown. `reveal` returns it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "********"

    __str__ = __repr__

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Accept text, show a mask."""
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(cls._serialized, info_arg=True),
        )

    def _serialized(self, info: SerializationInfo) -> str:
        told_apart = info.context is not None and TELLING_APART in info.context
        return hashlib.sha256(self._value.encode()).hexdigest() if told_apart else repr(self)

    @classmethod
    def _validate(cls, value: Any) -> SecretText:
        if isinstance(value, SecretText):
            return value
        if not isinstance(value, str) or not value:
            raise ValueError("must be a text that isn't empty")
        return cls(value)


def digest_of_settings(table: BaseModel) -> str:
    """Return a SHA-256 over a table of the settings: it changes with each of them, secrets too."""
    return hashlib.sha256(table.model_dump_json(context={TELLING_APART: True}).encode()).hexdigest()


ListenAddress = Annotated[Listen, PlainValidator(parse_listen), PlainSerializer(str)]
"""``8443``, ``"127.0.0.1:8443"`` or ``"[::]:443"``."""
Resolver = Annotated[Listen, PlainValidator(_resolver), PlainSerializer(str)]
Resolvers = Annotated[tuple[Resolver, ...], BeforeValidator(one_or_several)]
"""One address of a DNS server, or a list."""
ListenAddresses = Annotated[tuple[ListenAddress, ...], BeforeValidator(one_or_several)]
"""One of them, or a list."""
Name = Annotated[str, AfterValidator(parse_name)]
"""A DNS name, wildcard or address, canonical (`agent.system.names`)."""
Wildcards = Annotated[tuple[Name, ...], AfterValidator(_wildcards)]
"""Wildcards, each with or without its apex (``example.com`` beside ``*.example.com``)."""
Host = Annotated[str, AfterValidator(_host)]
"""A host name or address, no wildcard."""
Word = Annotated[str, AfterValidator(_word)]
"""A short name: user, group, unit."""
PathText = Annotated[str, AfterValidator(_path)]
"""An absolute path below ``--root``."""
Port = Annotated[int, Field(ge=1, le=65535)]
Secret = SecretText
"""Written as ``KEY_file = "PATH"``, or as ``KEY`` in a settings file of mode 0600."""
