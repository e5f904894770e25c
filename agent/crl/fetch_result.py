"""What comes of fetching a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class FetchFailedError(Exception):
    """Nothing was fetched; `reason` is a clause in lower case."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Validators:
    """By what a server knows a version of a file (RFC 9110 section 8.8)."""

    etag: str = ""
    last_modified: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Those of a request for another version."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a server answered."""

    body: bytes | None
    """None: what was fetched before still holds."""
    validators: Validators


Fetch = Callable[[str, Validators], Fetched]
