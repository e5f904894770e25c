"""Records by which dns-persist-01 proves names, as the zones' own servers had them last."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from agent.errors.problem import Problem
from agent.model.pause import Pause

LONGEST_PERSISTENT = timedelta(days=1)
"""Between two looks at the same record, whatever is there."""
LABEL = "_validation-persist"
WILDCARD = "*."
LONGEST_STRING = 255
"""Octets of one string of a TXT record (RFC 1035 section 3.3)."""
TTL = 3600
"""Seconds, in the line for a zone's file."""


ABOUT = "source.persist_"
"""What codes begin with that are about such records."""
UNSEEN = frozenset(f"{ABOUT}{each}" for each in ("missing", "silent", "no_issuers", "account_url", "not_taken"))
"""Codes of looks that have found no record for the CA."""


@dataclass(frozen=True, slots=True)
class PersistentRecord:
    """A TXT record that is to be in the zone."""

    owner: str
    """Without a final dot."""
    value: str

    @property
    def strings(self) -> tuple[str, ...]:
        """The value in strings that a TXT record can hold: one, unless the URL of the account is very long."""
        return tuple(self.value[at : at + LONGEST_STRING] for at in range(0, len(self.value), LONGEST_STRING))

    @property
    def zone_line(self) -> str:
        """The record as a line of a zone's file."""
        shown = (each.replace("\\", "\\\\").replace('"', '\\"') for each in self.strings)
        return f"{self.owner}. {TTL} IN TXT " + " ".join(f'"{each}"' for each in shown)


def domain_of(name: str) -> str:
    """Return the domain whose record proves a name: a wildcard shares that of the name below the ``*.``."""
    return name.removeprefix(WILDCARD)


def by_domain(names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of each domain: one record proves them all."""
    domains = dict.fromkeys(map(domain_of, names))
    return {domain: tuple(each for each in names if domain_of(each) == domain) for domain in domains}


def owner_of(domain: str) -> str:
    """Return where the record of a domain is."""
    return f"{LABEL}.{domain}"


@dataclass(frozen=True, slots=True)
class PersistentLook:
    """The record of one domain for one source."""

    source: str
    domain: str
    """Without ``*.``: a name and its wildcard share one record."""
    ca: str = ""
    """What people call the CA."""
    value: str = ""
    """What it is to be; empty: that isn't known yet."""
    names: tuple[str, ...] = ()
    """What it is to prove: the domain, its wildcard, or both."""
    proves: tuple[str, ...] = ()
    """Those of them that it does prove."""
    seen: int = 0
    """How many of the zone's servers have it."""
    servers: int = 0
    problem: Problem | None = None
    """Why it does not prove what it is to prove; None: it does, or it was not looked at yet."""
    until: datetime | None = None
    """When the record ends by its own words (persistUntil)."""
    right_at: datetime | None = None
    """When it was right last."""
    right_value: str = ""
    """What it was to be then."""
    origin: str = ""
    """`Source.origin` of the CA that it was looked at for; empty: the account is another one since."""
    asked_at: datetime | None = None
    next_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Source and domain."""
        return self.source, self.domain

    @property
    def pause(self) -> Pause:
        """Pause before it is looked at again."""
        return Pause(self.asked_at, self.next_at, LONGEST_PERSISTENT)

    @property
    def wrong(self) -> bool:
        """Whether somebody has set it, and no server has it as it is to be."""
        problem = self.problem
        return not self.seen and problem is not None and problem.code.startswith(ABOUT) and problem.code not in UNSEEN

    @property
    def state(self) -> str:
        """How far it is, in a few words."""
        if self.proves and self.problem is None:
            return f"seen at {self.seen} of {self.servers} servers"
        if self.seen:
            return f"seen at {self.seen} of {self.servers} servers, not at all of them"
        return "there is one that is not right" if self.wrong else "not seen yet"

    def ending(self, until: datetime) -> Self:
        """Return it with a record that is to end by its own words."""
        return replace(self, value=f"{self.value}; persistUntil={int(until.timestamp())}")

    def at(self, origin: str) -> Self:
        """Return what is known of it at a CA: nothing, if it was looked at for another one, but that it was right once."""
        if self.origin == origin:
            return self
        unseen = replace(self, origin=origin, ca="", value="", proves=(), seen=0, servers=0, problem=None, until=None)
        return replace(unseen, asked_at=None, next_at=None)

    @property
    def record(self) -> PersistentRecord:
        """What it is to be, and where."""
        return PersistentRecord(owner_of(self.domain), self.value)


def proved(looks: Iterable[PersistentLook], now: datetime) -> dict[str, frozenset[str]]:
    """Return, by source, the names that records prove to its CA, as far as is known."""
    found: dict[str, frozenset[str]] = {}
    for each in looks:
        if each.until is None or each.until > now:
            found[each.source] = found.get(each.source, frozenset()) | frozenset(each.proves)
    return found
