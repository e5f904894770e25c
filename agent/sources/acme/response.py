"""One answer of a CA: status, headers, body, and what of it is a refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import requests
from requests.utils import parse_header_links

from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.parsing import problem_of
from agent.sources.acme.retry_after import http_date, seconds_in_words, seconds_until

NO_TYPE = "about:blank"
"""A problem that has only its HTTP status (RFC 9457 section 4.2.1)."""


@dataclass(frozen=True)
class Response:
    """What came back for one request."""

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    there: datetime
    """The instant at the CA, by its own clock where it says so."""

    @classmethod
    def of(cls, response: requests.Response, now: datetime) -> Response:
        """Take what is needed of a response that came at `now`."""
        there = http_date(response.headers.get("Date")) or now
        return cls(str(response.url), response.status_code, response.headers, response.content, there)

    @cached_property
    def body(self) -> Any:
        """The JSON value; None: it is none."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object. Raises `CaUnreachable`."""
        if isinstance(self.body, dict):
            return self.body
        raise CaUnreachable("its answer is not the JSON object that it should be", url=self.url, status=self.status)

    @property
    def location(self) -> str:
        """URL of what was made or found. Raises `CaUnreachable`."""
        if url := self.headers.get("Location"):
            return str(url)
        raise CaUnreachable("its answer does not say where the new resource is", url=self.url, status=self.status)

    @property
    def retry_after(self) -> float | None:
        """Seconds from now that the header asks to wait."""
        return seconds_until(self.headers.get("Retry-After"), self.there)

    def links(self, relation: str) -> tuple[str, ...]:
        """Return the URLs of a relation (RFC 8288), in their order."""
        found = parse_header_links(self.headers.get("Link", ""))
        return tuple(link["url"] for link in found if link.get("rel") == relation)

    @property
    def busy(self) -> bool:
        """Whether the CA asks everyone to wait, not only for what was asked."""
        return self.retry_after is not None and (
            self.status == 503 or (self.status == 429 and not isinstance(self.body, dict))
        )

    def check(self) -> None:
        """Raise `CaProblem` or `CaUnreachable` unless it's a success."""
        if 200 <= self.status < 300:
            return
        if isinstance(self.body, dict):
            self._check_problem(self.body)
        raise CaUnreachable(
            f"it answers with HTTP status {self.status} instead of what ACME says",
            url=self.url,
            trouble=Trouble.BUSY if self.busy else Trouble.BROKEN,
            status=self.status,
            retry_after=self.retry_after,
        )

    def _check_problem(self, body: dict[str, Any]) -> None:
        problem = problem_of(body, status=self.status, terms="".join(self.links("terms-of-service")[:1]))
        if problem.type == NO_TYPE and self.status >= 500:
            return
        waits = [self.retry_after, seconds_in_words(problem.detail, self.there)]
        known = [seconds for seconds in waits if seconds is not None]
        raise CaProblem(problem, url=self.url, retry_after=max(known, default=None))
