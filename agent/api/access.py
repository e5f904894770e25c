"""Roles that routes require, and the caller of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agent.auth import Person, Role, Session
from agent.auth.bearer_tokens import TOKEN_PREFIX

ROOT = Person("root (uid 0)", Role.ADMIN)
"""The machine's own root, who may read the store anyway."""
LOCAL = "local"
"""The address of a caller who is not on the network."""


class Access(StrEnum):
    """Role that a route requires."""

    PUBLIC = "public"
    """Anybody whom the socket lets in."""
    PERSON = "person"
    """Somebody who has logged in, even with the one-time password that has to be changed."""
    VIEWER = "viewer"
    ADMIN = "admin"

    @property
    def role(self) -> Role:
        """The role that it takes at least."""
        return Role.ADMIN if self is Access.ADMIN else Role.VIEWER


class Proof(StrEnum):
    """What a route requires beside the role."""

    NONE = "none"
    PERSON = "person"
    """A person or the machine's own root: no token, whatever its role."""
    PASSWORD = "password"  # noqa: S105 - a word
    """The same, and a person has given the password within five minutes. A session that was stolen doesn't do."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Caller of a request: for roles, throttling and the audit record."""

    person: Person | None
    """None: nobody has logged in, which `Access.PUBLIC` allows."""
    address: str
    """Of the browser, where the web interface says so; else of nobody beyond this machine."""
    text: str = field(default="", repr=False)
    """What was shown: the session's or the token's secret."""
    session: Session | None = None

    @property
    def name(self) -> str:
        """For the record."""
        return self.person.name if self.person else "nobody"

    @property
    def is_token(self) -> bool:
        """Whether a program shows a token."""
        return self.text.startswith(TOKEN_PREFIX)
