"""Keys that the chains of a request keep for several renewals, and the keys that follow them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

FORM = re.compile(r"([1-9]\d{0,3}) ?(renewals?|days?|d)")
LONGEST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class KeyReuse:
    """How long a key is kept: for so many renewals, for a time, or for whichever ends first."""

    renewals: int | None = None
    """Chains after the first one that are made with it."""
    days: int | None = None

    def __str__(self) -> str:
        renewals = f"{self.renewals} renewal{'' if self.renewals == 1 else 's'}" if self.renewals else ""
        days = f"{self.days} day{'' if self.days == 1 else 's'}" if self.days else ""
        return " or ".join(each for each in (renewals, days) if each)

    def shorter(self, other: KeyReuse | None) -> KeyReuse:
        """Return what fulfils both: needs that share a request share its key."""
        if other is None:
            return self
        return KeyReuse(_least(self.renewals, other.renewals), _least(self.days, other.days))

    def is_over(self, kept: KeptKey, now: datetime) -> bool:
        """Whether the next chain is to have another key."""
        if self.renewals is not None and kept.renewals >= self.renewals:
            return True
        return self.days is not None and now >= kept.since + timedelta(days=self.days)


def parse_key_reuse(text: object) -> KeyReuse:
    """Read ``10 renewals`` or ``400 days``. Raises ValueError."""
    if isinstance(text, KeyReuse):
        return text
    match = FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match[2].startswith("d") and int(match[1]) > LONGEST_DAYS):
        raise ValueError(f'is written "10 renewals" or "400 days", and is {LONGEST_DAYS} days at most')
    return KeyReuse(renewals=int(match[1])) if match[2].startswith("r") else KeyReuse(days=int(match[1]))


def _least(first: int | None, second: int | None) -> int | None:
    return min((each for each in (first, second) if each is not None), default=None)


class KeyRole(StrEnum):
    """Use of a key that is kept."""

    PRESENT = "present"
    NEXT = "next"
    """Made ahead, so that what depends on keys can be told of it before it is used."""
    GIVEN_UP = "given up"
    """Never to be used again."""


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key of a request, known without opening it."""

    request: str
    """Id of the request."""
    spki: str
    """SHA-256 of its SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), hexadecimal."""
    public: bytes
    """SubjectPublicKeyInfo in DER; empty where it was given up."""
    role: KeyRole
    since: datetime
    """When it was made, or since when it is the present one."""
    renewals: int = 0
    """Chains that were made with it after the first one."""
    reason: str = ""
    """Why it was given up, a clause."""


def yet_to_serve(keys: tuple[KeptKey, ...], public: bytes) -> tuple[KeptKey, ...]:
    """Return the keys that are served after one: the present one where an upload or an older chain serves, then the next one.

    `public`: SubjectPublicKeyInfo of what is served, in DER.
    """
    following = (in_role(keys, role) for role in (KeyRole.PRESENT, KeyRole.NEXT))
    return tuple(each for each in following if each is not None and each.public != public)


def in_role(keys: tuple[KeptKey, ...], role: KeyRole) -> KeptKey | None:
    """Return the key of a request that has a role."""
    return next((each for each in keys if each.role is role), None)
