"""A TXT record that the agent has made, or is about to make, in DNS: what it has to remove again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agent.errors.problem import Problem
from agent.model.pause import Pause

LONGEST_REMOVAL = timedelta(days=1)
"""Between two tries to remove a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecord:
    """Row of the store, written before the record is made."""

    solver: str
    """NAME of the ``[dns.NAME]`` table that makes it."""
    zone: str
    name: str
    value: str
    domain: str
    request: str
    """Id of the request whose order needs it; empty: of no order."""
    source: str
    at: datetime
    attempts: int = 0
    """Failures in a row to remove it."""
    tried_at: datetime | None = None
    retry_at: datetime | None = None
    problem: Problem | None = None
    """Why it could not be removed."""
    settings_digest: str = ""
    """Of the table at the last try to remove it; empty: there was none."""

    @property
    def waits_for_settings(self) -> bool:
        """Whether it is not tried again before its table changes: that one is wrong."""
        return self.problem is not None and self.retry_at is None and self.settings_digest != ""

    def with_table(self, digest: str) -> DnsRecord:
        """Return it as not tried yet, where its table has changed since. `digest`: of the present one; empty: it is gone."""
        if self.problem is None or self.settings_digest == digest:
            return self
        return replace(self, tried_at=None, retry_at=None, problem=None)

    @property
    def order(self) -> tuple[str, str]:
        """Key of the order that needs it."""
        return self.request, self.source

    @property
    def pause(self) -> Pause:
        """When it was tried last to remove it, and when that is tried again."""
        return Pause(self.tried_at, self.retry_at, LONGEST_REMOVAL)
