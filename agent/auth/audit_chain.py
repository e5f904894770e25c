"""The chain over the audit record: an authentication code of each row and of the one before it, and signed ends.

The rows are in three series, so that the record of what nobody but an attacker has done can be pruned before that of
changes. In each, a row has a number and a link: HMAC-SHA256 (RFC 2104) over the link before it and over the row. The
ends of a series, signed likewise, say with which row it begins and ends. The key is derived from the master key, so who can
write the database alone can't make either.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

KEY_PURPOSE = "chainwright audit record"
LOGGED_IN = "logged in"
LOGGED_OUT = "logged out"
LOGIN_FAILED = "login failed"


class Series(StrEnum):
    """Part of the record with a chain of its own."""

    CHANGE = "change"
    LOGIN = "login"
    FAILED = "failed"
    """Logins that failed."""

    @classmethod
    def of(cls, action: str) -> Series:
        """Return where an action belongs."""
        return {LOGGED_IN: cls.LOGIN, LOGGED_OUT: cls.LOGIN, LOGIN_FAILED: cls.FAILED}.get(action, cls.CHANGE)


@dataclass(frozen=True, slots=True)
class Ends:
    """The first and the last row of a series."""

    series: Series
    first: int = 1
    """Number of the first row that is kept."""
    before: str = ""
    """Link of the row before the first."""
    number: int = 0
    """Number of the last row."""
    link: str = ""
    """Link of the last row."""

    def followed_by(self, link: str) -> Ends:
        """Return the ends after one more row."""
        return replace(self, number=self.number + 1, link=link)


class ChainKey:
    """Key of the chain."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def link(self, before: str, row: Mapping[str, Any]) -> str:
        """Return the link of a row of the table `audits` that follows the link `before`."""
        columns = ("series", "number", "at", "who", "address", "action", "subject", "detail", "times")
        return self._code("row", [before, *(row[column] for column in columns)])

    def of_ends(self, ends: Ends) -> str:
        """Return the authentication code of the ends of a series."""
        return self._code("ends", [ends.series, ends.first, ends.before, ends.number, ends.link])

    def of_repeats(self, row: Mapping[str, Any]) -> str:
        """Return the authentication code of repetitions that are being counted."""
        columns = ("who", "address", "action", "subject", "detail", "series", "since", "at", "times")
        return self._code("repeats", [row[column] for column in columns])

    def _code(self, kind: str, values: Iterable[Any]) -> str:
        return hmac.digest(self._key, json.dumps([kind, *values], default=repr).encode(), "sha256").hex()
