"""Parser of forms, within limits."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from plugins.webui.content import Content
from plugins.webui.errors import FormMalformed

MOST_FIELDS = 50
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))')
PARAMETER = re.compile(r'[; ](name|filename)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class File:
    """Uploaded file."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Fields and files that were sent."""

    fields: Mapping[str, str] = field(repr=False)
    files: tuple[File, ...] = ()

    def get(self, name: str) -> str:
        """Return a field, empty if it was not sent."""
        return self.fields.get(name, "")


def check_kind(kind: str) -> None:
    """Raise `FormMalformed` for a media type that isn't a form's."""
    if _plain_kind(kind) not in {URLENCODED, MULTIPART}:
        raise FormMalformed("its type is not that of a form")


async def read_form(kind: str, content: Content) -> Form:
    """Return the form of a request; `kind`: its media type. Raises `WebUIError`, and `ClientDisconnect`."""
    body = await content.read()
    return _multipart(kind, body) if _plain_kind(kind) == MULTIPART else Form(_urlencoded(body))


def _plain_kind(kind: str) -> str:
    return kind.partition(";")[0].strip().lower()


def _urlencoded(body: bytearray) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise FormMalformed("its fields cannot be read") from error


def _multipart(kind: str, body: bytearray) -> Form:
    """Read multipart/form-data (RFC 7578) as browsers write it; content is kept octet by octet."""
    boundary = BOUNDARY.search(kind)
    if boundary is None:
        raise FormMalformed("it has no boundary")
    body[:0] = b"\r\n"
    preamble, *parts = body.split(b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1"), MOST_FIELDS + 2)
    body.clear()
    if preamble or not parts or not parts.pop().startswith(b"--") or len(parts) > MOST_FIELDS:
        raise FormMalformed("its parts cannot be read")
    fields: dict[str, str] = {}
    files: list[File] = []
    for part in parts:
        _sort(part, fields, files)
    return Form(fields, tuple(files))


def _sort(part: bytearray, fields: dict[str, str], files: list[File]) -> None:
    head, separator, content = part.partition(b"\r\n\r\n")
    part.clear()
    said = dict(PARAMETER.findall(head.decode(errors="replace")))
    if not separator or "name" not in said:
        raise FormMalformed("a part has no name")
    if "filename" in said:
        if content or said["filename"]:
            files.append(File(said["filename"], bytes(content)))
        return
    try:
        fields[said["name"]] = content.decode()
    except UnicodeDecodeError as error:
        raise FormMalformed("a field is not UTF-8") from error


def multipart(fields: Mapping[str, str], files: Iterable[File], name: str = "files") -> tuple[tuple[bytes, ...], str]:
    """Return a form in pieces, and its type: a file's content isn't copied. Its name is replaced: it may hold anything."""
    boundary = secrets.token_hex(16)
    parts = [
        *((f'form-data; name="{key}"', value.encode()) for key, value in fields.items()),
        *((f'form-data; name="{name}"; filename="{_plain(file.name)}"', file.content) for file in files),
    ]
    pieces: list[bytes] = []
    for disposition, content in parts:
        pieces += (f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode(), content, b"\r\n")
    return (*pieces, f"--{boundary}--\r\n".encode()), f"{MULTIPART}; boundary={boundary}"


def _plain(name: str) -> str:
    """Return a file's name with nothing in it that could end a header."""
    kept = "".join(each if each.isalnum() or each in "._- " else "_" for each in name.rpartition("/")[2])
    return kept[:100] or "file"
