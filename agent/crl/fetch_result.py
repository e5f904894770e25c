"""Result of fetching a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class FetchFailedError(Exception):
    """Failure to fetch a list; `reason` is a clause in lower case."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


class NotPublicError(FetchFailedError):
    """A list that is not fetched, as its address is of this machine or of a private network."""


@dataclass(frozen=True, slots=True)
class Validators:
    """Validators of an HTTP response (RFC 9110 section 8.8)."""

    etag: str = ""
    last_modified: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a conditional request."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Fetched:
    """Response of a server."""

    body: bytes | None
    """None: not modified since the last fetch."""
    validators: Validators


Fetch = Callable[[str, Validators, float, bool], Fetched]
"""`(URL, validators of what is known, deadline, whether to connect to addresses of the Internet alone) -> response`."""
