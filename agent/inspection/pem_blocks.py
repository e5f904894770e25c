"""Lenient PEM (RFC 7468): blocks among other text, with any line ends, indented, quoted, copied from web pages."""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MARK = re.compile(rb"(?<!-)(-{2,10}) ?(BEGIN|END) ([A-Z0-9 ]{1,60}?) ?(?![A-Z0-9 ])(-{0,10})")
"""A BEGIN or END line, also where hyphens were lost or added."""
HYPHENS = b"-----"
IMPORTANT = ("CERTIFICATE", "PRIVATE KEY", "PKCS7")
"""Ends of labels whose BEGIN and END lines must not be damaged; other text with hyphens is ignored."""
INDENTS = b" \t\f\v>"
"""In front of lines of indented and of quoted text."""
REPLACED = (
    (codecs.BOM_UTF8, b""),
    (b"\xc2\xa0", b" "),  # the space of web pages
    (b"\\r", b""),  # line ends in JSON
    (b"\\n", b"\n"),
    (b"\r\n", b"\n"),
    (b"\r", b"\n"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One PEM block, complete or broken."""

    label: str
    der: bytes = field(default=b"", repr=False)
    headers: tuple[bytes, ...] = field(default=(), repr=False)
    """Lines of RFC 1421: how a traditional OpenSSL key is encrypted."""
    broken: str = ""
    """Why it is not complete."""

    def text(self) -> bytes:
        """Return the block as OpenSSL writes it."""
        body = binascii.b2a_base64(self.der, newline=False)
        lines = [*self.headers, b"", *(body[at : at + 64] for at in range(0, len(body), 64))]
        label = self.label.encode()
        return b"\n".join([b"-----BEGIN " + label + HYPHENS, *lines, b"-----END " + label + HYPHENS, b""])


@dataclass(frozen=True, slots=True)
class _Mark:
    begins: bool
    label: str
    sound: bool
    start: int
    end: int


def plain(data: bytes) -> bytes:
    """Return text with one kind of line ends, without what editors, web pages and JSON add to it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = data.decode("utf-16", "replace").encode()
    for old, new in REPLACED:
        data = data.replace(old, new)
    return data


def blocks_in(text: bytes) -> Iterator[Block]:
    """Yield each block of a `plain` text, in order; `broken` says why one is not complete."""
    begun: _Mark | None = None
    for mark in _marks(text):
        if mark.begins:
            if begun:
                yield Block(begun.label, broken="it has no END line")
            begun = mark
        else:
            yield _block(text, begun, mark)
            begun = None
    if begun:
        yield Block(begun.label, broken="it has no END line")


def _marks(text: bytes) -> Iterator[_Mark]:
    for match in MARK.finditer(text):
        sound = match[1] == match[4] == HYPHENS
        label = match[3].decode()
        if sound or label.endswith(IMPORTANT):
            yield _Mark(match[2] == b"BEGIN", label, sound, match.start(), match.end())


def _block(text: bytes, begun: _Mark | None, ended: _Mark) -> Block:
    if begun is None:
        return Block(ended.label, broken="it has no BEGIN line")
    if begun.label != ended.label:
        return Block(begun.label, broken=f'its END line says "{ended.label}"')
    for mark, word in ((begun, "BEGIN"), (ended, "END")):
        if not mark.sound:
            return Block(begun.label, broken=f"its {word} line does not have five hyphens on each side")
    return _decoded(begun.label, text[begun.end : ended.start])


def _decoded(label: str, body: bytes) -> Block:
    headers, encoded = _parted([line.strip(INDENTS) for line in body.split(b"\n")])
    try:
        der = binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        return Block(label, broken="its content is not Base64, or a part is missing")
    return Block(label, der, headers) if der else Block(label, broken="it is empty")


def _parted(lines: list[bytes]) -> tuple[tuple[bytes, ...], bytes]:
    """Return headers and body; the headers end at the first empty line (RFC 1421 section 4.4)."""
    begin = next((at for at, line in enumerate(lines) if line), 0)
    lines = lines[begin:]
    end = lines.index(b"") if b":" in lines[0] and b"" in lines else 0
    return tuple(lines[:end]), b"".join(b"".join(line.split()) for line in lines[end:])
