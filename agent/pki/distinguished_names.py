"""Comparison of distinguished names (RFC 5280 section 7.1): letter case, blanks and string types make no difference."""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase
from typing import TypeAlias

from cryptography import x509

BLANKS = re.compile(r"[ \t\n\v\f\r]+")
LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)

ComparedName: TypeAlias = "tuple[frozenset[tuple[str, str | bytes]], ...]"


def compared(name: x509.Name) -> ComparedName:
    """Return a form in which equal names are equal, and the name of a subtree is a prefix of the names in it."""
    return tuple(frozenset((each.oid.dotted_string, _compared(each.value)) for each in rdn) for rdn in name.rdns)


def same_name(one: x509.Name, other: x509.Name) -> bool:
    """Whether two names are equal."""
    return one == other or compared(one) == compared(other)


def within_name(name: x509.Name, base: x509.Name) -> bool:
    """Whether a name is in the subtree of `base` (RFC 5280 section 4.2.1.10, directoryName)."""
    prefix = compared(base)
    return compared(name)[: len(prefix)] == prefix


def _compared(value: str | bytes) -> str | bytes:
    """Return a value prepared for comparison: of RFC 4518, what clients do, who know ASCII's letters and blanks only."""
    return BLANKS.sub(" ", value).strip(" ").translate(LOWER) if isinstance(value, str) else value
