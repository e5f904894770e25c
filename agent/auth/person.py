"""A person or program that is known, what it may do, and what it shows to prove it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    """Look at everything but keys."""
    ADMIN = "admin"
    """Everything."""

    def may(self, needed: Role) -> bool:
        """Whether this role includes `needed`."""
        return self is Role.ADMIN or needed is Role.VIEWER

    def within(self, most: Role) -> Role:
        """Return what of this role `most` includes."""
        return self if most.may(self) else most


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks."""

    name: str
    role: Role
    must_change: bool = False
    """The password is the one-time one: nothing else may be done before it is changed."""


@dataclass(frozen=True, slots=True)
class Session:
    """A person who has logged in."""

    person: Person
    opened_at: datetime
    idle_at: datetime
    """When it ends unless it is used before."""
    ends_at: datetime
    """When it ends in any case."""
    address: str
    password_until: datetime
    """Until when the password counts as given: what weighs most is done before that, or after it was given once more."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a program shows instead of a password; the text itself is not kept."""

    id: str
    name: str
    """Of no other token."""
    role: Role
    """What it may: never more than who made it may at this moment."""
    made_by: str
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenMaker:
    """Who makes a token."""

    name: str
    """As the list of tokens and the audit record name them."""
    account: str | None
    """Account with which the token ends, and whose role limits it; None: root on the appliance itself."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and from where, as the audit record names them."""

    name: str
    address: str
    """Of the browser or program; ``command`` for a command on the appliance itself."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from: who makes it, and when."""

    actor: Actor
    at: datetime


@dataclass(frozen=True, slots=True)
class Audit:
    """One row of the record of changes."""

    at: datetime
    who: str
    address: str
    action: str
    subject: str
    detail: str = ""
    times: int = 1
    """How often it was done: repetitions within a minute are one row, at the last of them."""
