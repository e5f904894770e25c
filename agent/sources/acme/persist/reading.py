"""What a TXT record says that is in the zone: an ``issue-value`` (RFC 8659 section 4.2). Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

BLANKS = " \t"
TAG = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?")
LINE = " IN TXT "
VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e]*")


class NoIssueValue(ValueError):
    """A TXT record of another form; the text is why, a clause."""


@dataclass(frozen=True, slots=True)
class Found:
    """A TXT record as it is in the zone."""

    strings: tuple[str, ...]
    issuer: str
    parameters: tuple[tuple[str, str], ...]
    """Tag and value, in their order."""
    trailing: bool = False
    """It ends with a semicolon after its last parameter."""

    @property
    def octets(self) -> int:
        """How long it is."""
        return sum(map(len, self.strings))

    def values(self, tag: str) -> list[str]:
        """Return the values of a parameter, whatever its letters."""
        return [value for each, value in self.parameters if each.lower() == tag.lower()]

    def written(self, tag: str) -> list[str]:
        """Return how the tag of a parameter is written."""
        return [each for each, _value in self.parameters if each.lower() == tag.lower()]


def read_record(strings: Sequence[str]) -> Found:
    """Read the strings of a TXT record. Raises `NoIssueValue`."""
    text = "".join(strings)
    if LINE in text:
        raise NoIssueValue("it is a whole line of a zone's file, where the value alone belongs")
    if text.startswith('"') or text.endswith('"'):
        raise NoIssueValue("its value has quotation marks around it, as they belong to a file")
    issuer, *rest = (part.strip(BLANKS) for part in text.split(";"))
    trailing = len(rest) > 1 and not rest[-1]
    if rest and not rest[-1]:
        rest.pop()
    if not issuer:
        raise NoIssueValue("it names no CA")
    if any(each in issuer for each in "= \t"):
        raise NoIssueValue("it does not begin with the name of a CA")
    return Found(tuple(strings), issuer, tuple(map(_parameter, rest)), trailing)


def _parameter(text: str) -> tuple[str, str]:
    tag, equals, value = text.partition("=")
    tag, value = tag.rstrip(BLANKS), value.lstrip(BLANKS)
    if not text:
        raise NoIssueValue("there is nothing between two semicolons")
    if not equals or not TAG.fullmatch(tag):
        raise NoIssueValue(f'"{text[:40]}" is no parameter')
    if not VALUE.fullmatch(value):
        raise NoIssueValue(f"the value of {tag} has a blank or another character that is not allowed there")
    return tag, value
