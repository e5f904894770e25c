"""Records of chains and orders. Importing this is cheap: a status needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agent.errors.source import Elsewhere
from agent.model.need import Request
from agent.model.pause import LONGEST_INQUIRY, LONGEST_LIST, LONGEST_ORDER, Pause
from agent.pki.chain import KeyType, Purpose
from agent.pki.judgement import Objection

UPLOADED = "uploaded"
"""The source of chains that an administrator uploads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRecord:
    """Record of a chain, known without opening it: enough to bind and to plan."""

    id: str
    source: str
    names: tuple[str, ...]
    key_type: KeyType
    purposes: tuple[Purpose, ...]
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    """The earliest end over leaf and intermediates: afterwards the chain is of no use."""
    fingerprints: tuple[str, ...]
    """SHA-256 of leaf and intermediates in the order in which they are sent."""
    request: str | None = None
    """Id of the request that it was made for; None: uploaded, serves by coverage."""
    root: str | None = None
    """SHA-256 of the own root that signed it."""
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    crl: bool = False
    """Whether its certificates say where lists of revoked ones are, or that isn't known."""
    origin: str = ""
    """`Source.origin` when it was delivered; empty: not known."""
    warnings: tuple[Objection, ...] = ()
    """What some clients refuse in it, and what its source says of it."""
    edition: int = 0
    """Edition of the judge that let it in; 0: none was asked; -1: one was asked later."""
    other_roots: str = ""
    """PEM of roots that a private authority has given with an upload beside its own."""

    def good(self, now: datetime) -> bool:
        """Whether it is valid at `now` and not known to be revoked."""
        return self.not_before <= now < self.not_after and self.revoked_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Watch on a bound chain: what its CA says of its renewal, and when to ask again."""

    chain: str
    next_at: datetime | None = None
    """When to ask its source again; None: never."""
    crl_at: datetime | None = None
    """When to fetch its CA's list of revoked certificates again; None: never. The core's."""
    renew_at: datetime | None = None
    """When to renew, chosen once at random inside the window (RFC 9773 section 4.2)."""
    window: tuple[datetime, datetime] | None = None
    """Renewal window that the CA suggested."""
    explanation: str = ""
    """URL of a page on which the CA says why."""
    problem: Mapping[str, Any] | None = None
    """Why the last inquiry failed: `Problem` as JSON."""
    attempts: int = 0
    """Inquiries that failed in a row."""
    asked_at: datetime | None = None
    """When its source was asked last; noted by the core."""
    crl_asked_at: datetime | None = None
    """When its CA's list was fetched last."""

    @property
    def pause(self) -> Pause:
        """Pause before its source is asked again."""
        return Pause(self.asked_at, self.next_at, LONGEST_INQUIRY)

    @property
    def crl_pause(self) -> Pause:
        """Pause before its CA's list is fetched again."""
        return Pause(self.crl_asked_at, self.crl_at, LONGEST_LIST)


@dataclass(frozen=True, slots=True)
class FailingName:
    """A name that a CA could not validate lately: a module asks for its other names alone meanwhile."""

    name: str
    source: str
    since: datetime
    passed_at: datetime | None
    """When the CA could validate it again; it stays apart until there is a chain for all names together."""
    requests: tuple[Request, ...]
    """What it was asked for together with others."""


GIVEN_UP = timedelta(hours=1)
"""So long after the instant for another try nobody makes it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """State of a source's dealing with one request so far."""

    request: str
    source: str
    attempts: int = 0
    """Failures in a row."""
    retry_at: datetime | None = None
    problem: Mapping[str, Any] | None = None
    """`Problem` as JSON."""
    permanent: bool = False
    """The last failure says that only a change of settings helps."""
    settings_digest: str = ""
    """Of the source's settings at the last try: when they change, it's tried again at once."""
    tried_at: datetime | None = None
    elsewhere: Elsewhere = Elsewhere.NEVER
    """Whether the last failure is one that another CA may not have."""
    lasting: int = 0
    """Failures in a row for which a CA is out of order."""

    @property
    def pause(self) -> Pause:
        """Pause before the next try."""
        return Pause(self.tried_at, self.retry_at, LONGEST_ORDER)

    def is_given_up(self, now: datetime) -> bool:
        """Whether nobody tries again what failed: its chain is not due any more, as the clock was ahead, or for another reason.

        The time for another try has come an hour ago, or the try before lies in the future. What is due is tried in the pass.
        """
        if self.retry_at is None:
            return False
        from_ahead = self.tried_at is not None and self.tried_at > now + GIVEN_UP
        return from_ahead or now >= self.retry_at + GIVEN_UP

    def counts_for(self, settings_digest: str) -> bool:
        """Whether the last failure still holds the source back: its settings are the same."""
        return self.settings_digest == settings_digest
