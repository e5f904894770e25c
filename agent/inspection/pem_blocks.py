"""Lenient PEM (RFC 7468): blocks among other text, with any line ends, indented, quoted, copied from web pages."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

MARK = re.compile(r"(?<!-)(-{2,10}) ?(BEGIN|END) ([A-Z0-9 #./_+]{1,60}?) ?(?![A-Z0-9 #./_+])(-{0,10})")
"""A BEGIN or END line, also where hyphens were lost or added."""
HYPHENS = "-----"
IMPORTANT = ("CERTIFICATE", "PRIVATE KEY", "PKCS7")
"""Ends of labels whose BEGIN and END lines must not be damaged; other text with hyphens is ignored."""
SIGNED_TEXT = ("PGP SIGNED MESSAGE", "PGP SIGNATURE")
"""Labels around a signed text (RFC 9580 section 7)."""
INDENTS = " \t\f\v>"
"""In front of lines of indented and of quoted text."""
BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
LINE_ENDS = re.compile(r"\r\n|[\r\x85\u2028\u2029]")
JOINED = re.compile(r"(?<!-)-{10}(?=(?:BEGIN|END) )")
"""Two lines of hyphens without a line end between them, as `cat` makes of files that have none at their end."""
DASH_ESCAPES = re.compile(r"^([ \t>]*)- (?=-)", re.MULTILINE)
"""What a signed text has before lines that begin with a hyphen (RFC 9580 section 7.2)."""
QUOTED_EQUALS, SOFT_BREAKS = "=3D", re.compile(r"=[ \t]*\n(?!-)")
"""What a mail has for an equals sign, and at the end of a line that goes on (quoted-printable, RFC 2045 section 6.7)."""
ESCAPED = (("\\r", ""), ("\\n", "\n"), ("\\/", "/"))
"""Escapes of JSON."""


@dataclass(frozen=True, slots=True)
class Block:
    """One PEM block, complete or broken."""

    label: str
    der: bytes = field(default=b"", repr=False)
    headers: tuple[str, ...] = field(default=(), repr=False)
    """Lines of RFC 1421: how a traditional OpenSSL key is encrypted."""
    broken: str = ""
    """Why it is not complete."""

    def text(self) -> bytes:
        """Return the block as OpenSSL writes it."""
        body = base64.b64encode(self.der).decode()
        lines = [*self.headers, "", *(body[at : at + 64] for at in range(0, len(body), 64))]
        return "\n".join([f"-----BEGIN {self.label}-----", *lines, f"-----END {self.label}-----", ""]).encode()


@dataclass(frozen=True, slots=True)
class _Mark:
    begins: bool
    label: str
    sound: bool
    start: int
    end: int


def plain(data: bytes) -> str:
    """Return text with one kind of line ends, without what editors, mail programs, web pages and JSON add to it."""
    text = LINE_ENDS.sub("\n", _decoded_text(data))
    if not text.isascii():
        text = text.translate({ord(each): _ascii(each) for each in set(text) if not each.isascii()})
    for old, new in ESCAPED:
        text = text.replace(old, new)
    if QUOTED_EQUALS in text:
        text = SOFT_BREAKS.sub("", text).replace(QUOTED_EQUALS, "=")
    return DASH_ESCAPES.sub(r"\1", JOINED.sub(f"{HYPHENS}\n{HYPHENS}", text))


def _decoded_text(data: bytes) -> str:
    """Return `data` as text: UTF-16 where it is marked as that or is full of zeros, UTF-8, else any one-byte encoding."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    for encoding in ("utf-16-le", "utf-16-be"):
        if "-----BEGIN ".encode(encoding) in data:
            return data.decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _ascii(character: str) -> str:
    """Return what is meant by a blank, a hyphen or a character without width; others stay."""
    category = unicodedata.category(character)
    return {"Zs": " ", "Pd": "-", "Cf": ""}.get(category, "-" if character == "\u2212" else character)


def blocks_in(text: str) -> Iterator[Block]:
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


def is_important(label: str) -> bool:
    """Whether a block of that label may be a part of a chain, so that it must not be damaged."""
    return label.endswith(IMPORTANT)


def _marks(text: str) -> Iterator[_Mark]:
    for match in MARK.finditer(text):
        sound = match[1] == match[4] == HYPHENS
        label = match[3]
        if (sound or is_important(label)) and label not in SIGNED_TEXT:
            yield _Mark(match[2] == "BEGIN", label, sound, match.start(), match.end())


def _block(text: str, begun: _Mark | None, ended: _Mark) -> Block:
    if begun is None:
        return Block(ended.label, broken="it has no BEGIN line")
    if begun.label != ended.label:
        return Block(begun.label, broken=f'its END line says "{ended.label}"')
    for mark, word in ((begun, "BEGIN"), (ended, "END")):
        if not mark.sound:
            return Block(begun.label, broken=f"its {word} line does not have five hyphens on each side")
    return _decoded(begun.label, text[begun.end : ended.start])


def _decoded(label: str, body: str) -> Block:
    headers, encoded = _parted([line.strip(INDENTS) for line in body.split("\n")])
    if not encoded:
        return Block(label, broken="it is empty")
    try:
        return Block(label, binascii.a2b_base64(encoded.encode(), strict_mode=True), headers)
    except binascii.Error:
        return Block(label, broken=_why_not_base64(encoded))


def _why_not_base64(encoded: str) -> str:
    """Return why a text is not Base64 (RFC 4648 section 4), without showing any of it but a character that has no place there."""
    end = len(match[0]) if (match := BASE64.match(encoded)) else 0
    if end < len(encoded) and "=" in encoded[:end]:
        return "its content goes on behind the end of the Base64 text"
    if end < len(encoded):
        return f"its content holds {_named(encoded[end])}, which is not Base64"
    return "a part of its content is missing"


def _named(character: str) -> str:
    return f'"{character}"' if character.isprintable() else f"the character U+{ord(character):04X}"


def _parted(lines: list[str]) -> tuple[tuple[str, ...], str]:
    """Return headers and body; an empty line is between them, where nothing has lost it (RFC 1421 section 4.4)."""
    lines = [line for line in lines if line]
    headers = tuple(takewhile(lambda line: ":" in line, lines))
    return headers, "".join("".join(line.split()) for line in lines[len(headers) :])
