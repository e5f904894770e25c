"""What a CA allows within a time, and what it counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_network

from pydantic import BaseModel, ConfigDict, Field

from agent.model.known_cas import KNOWN_DIRECTORIES
from agent.system.names import WILDCARD, is_address

SECOND_LEVEL = frozenset({
    "ac", "co", "com", "edu", "gob", "gouv", "gov", "go", "id", "info", "ltd", "me", "mil", "ne", "net", "nom", "or", "org",
    "plc", "sch", "web",
})  # fmt: skip
"""Labels under which registries of countries register (``co.uk``, ``or.jp``)."""
IPV6_PREFIX = 64
"""Bits of an IPv6 address that limits are counted for."""


class LimitKind(StrEnum):
    """What is counted, as the ledger names it."""

    EVERYTHING = "everything"
    """No limit of its own: the CA only said that it wants to be left alone."""
    ACCOUNTS = "accounts"
    """New accounts, for the address that they're made from."""
    ORDERS = "orders"
    """New orders of the account."""
    DOMAIN = "domain"
    """Certificates with names of one registered domain."""
    SET = "set"
    """Certificates with exactly the same names."""
    FAILURES = "failures"
    """Failed validations of a name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """So many within any time of that length."""

    count: int
    window: timedelta


Rules = dict[LimitKind, Rule]

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
FAILURES = Rule(4, HOUR)
"""One fewer than Let's Encrypt allows. Kept at every CA: what fails so often in an hour needs a cure first."""

LETS_ENCRYPT: Rules = {
    LimitKind.ACCOUNTS: Rule(10, 3 * HOUR),
    LimitKind.ORDERS: Rule(300, 3 * HOUR),
    LimitKind.DOMAIN: Rule(50, WEEK),
    LimitKind.SET: Rule(5, WEEK),
    LimitKind.FAILURES: FAILURES,
}
"""https://letsencrypt.org/docs/rate-limits/"""
STAGING: Rules = {
    LimitKind.ACCOUNTS: Rule(50, 3 * HOUR),
    LimitKind.ORDERS: Rule(1500, 3 * HOUR),
    LimitKind.FAILURES: FAILURES,
}
"""https://letsencrypt.org/docs/staging-environment/: the others are in the ten thousands."""
OTHERS: Rules = {LimitKind.ORDERS: Rule(1000, HOUR), LimitKind.FAILURES: FAILURES}
"""Of a CA whose limits aren't known: so that a mistake of ours can't flood it."""
KNOWN = {KNOWN_DIRECTORIES["letsencrypt"]: LETS_ENCRYPT, KNOWN_DIRECTORIES["letsencrypt-staging"]: STAGING}


class LimitSettings(BaseModel):
    """``[acme.limits]``: what the CA allows you; by default Let's Encrypt's limits, and few at any other CA."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    orders: int | None = Field(None, ge=1, description="new orders in three hours")
    certificates_per_domain: int | None = Field(
        None, ge=1, description="certificates in a week with names of the same registered domain"
    )
    certificates_per_set: int | None = Field(
        None, ge=1, description="certificates in a week with exactly the same names"
    )

    def rules(self, directory: str) -> Rules:
        """Return the limits of the CA with that directory, as far as they're known, with what the settings say."""
        found = dict(KNOWN.get(directory, OTHERS))
        counts = {
            LimitKind.ORDERS: (self.orders, 3 * HOUR),
            LimitKind.DOMAIN: (self.certificates_per_domain, WEEK),
            LimitKind.SET: (self.certificates_per_set, WEEK),
        }
        return found | {kind: Rule(count, window) for kind, (count, window) in counts.items() if count is not None}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a limit is counted for: a kind and one of its subjects."""

    kind: LimitKind
    subject: str = ""

    @property
    def key(self) -> str:
        """What it is written down by."""
        return f"{self.kind} {self.subject}".strip()

    @property
    def counted(self) -> str:
        """What is counted, in words."""
        return {
            LimitKind.EVERYTHING: "requests",
            LimitKind.ACCOUNTS: "new accounts",
            LimitKind.ORDERS: "new orders",
            LimitKind.DOMAIN: f"certificates for names of {self.subject}",
            LimitKind.SET: "certificates for exactly these names",
            LimitKind.FAILURES: f"failed validations of {self.subject}",
        }[self.kind]

    @property
    def refused(self) -> str:
        """What the CA refuses when the limit is reached, in words."""
        return f"validations of {self.subject}" if self.kind is LimitKind.FAILURES else self.counted


def scopes_of(names: Iterable[str], *, exempt: bool = False, renewal: bool = False) -> Iterator[Scope]:
    """Yield what an order for `names` (canonical) is counted for.

    Let's Encrypt exempts an order that `replaces` a certificate inside the window that it suggested from all limits, and a
    renewal, an order for exactly the names of a certificate that it has issued, from those of orders and domains. Failed
    validations count in any case: four an hour are what we promise.
    """
    wanted = sorted(set(names))
    yield Scope(LimitKind.EVERYTHING)
    yield from (Scope(LimitKind.FAILURES, each) for each in hosts_of(wanted))
    if exempt:
        return
    yield set_of(wanted)
    if not renewal:
        yield Scope(LimitKind.ORDERS)
        yield from domains_of(wanted)


def set_of(names: Iterable[str]) -> Scope:
    """Return what certificates with exactly these names are counted for."""
    return Scope(LimitKind.SET, hashlib.sha256(",".join(sorted(set(names))).encode()).hexdigest())


def domains_of(names: Iterable[str]) -> list[Scope]:
    """Return what a certificate with these names is counted for, each domain once."""
    return [Scope(LimitKind.DOMAIN, domain) for domain in sorted(set(map(registered_domain, names)))]


def hosts_of(names: Iterable[str]) -> list[str]:
    """Return what a CA validates: a wildcard is proved by its domain (RFC 8555 section 7.1.3)."""
    return sorted({name.removeprefix(WILDCARD) for name in names})


def registered_domain(name: str) -> str:
    """Return the part of a canonical name that somebody has bought; of an address, the network that is counted.

    Approximates the Public Suffix List, which CAs use: the last two labels, or three where the second is one under which a
    country's registry registers. Where it errs with a suffix that it doesn't know, it counts several domains as one, so
    that it rather waits than runs into the limit; where it errs the other way, the CA refuses and says for how long. The
    list itself grows old within an appliance's life, and it would only matter from the 51st certificate of a week on.
    """
    if is_address(name):
        return str(ip_network((name, IPV6_PREFIX), strict=False)) if ":" in name else name
    labels = name.removeprefix(WILDCARD).split(".")
    below = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL
    return ".".join(labels[-3 if below else -2 :])
