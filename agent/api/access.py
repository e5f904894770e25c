"""Who may use a route, and who it is that calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from agent.auth import Person, Role, Session

ROOT = Person("root (uid 0)", Role.ADMIN)
"""The machine's own root: whoever is that may read the store anyway."""
LOCAL = "local"
"""The address of who doesn't come over the network."""


class Access(StrEnum):
    """What a caller must be."""

    PUBLIC = "public"
    """Anybody whom the socket lets in."""
    PERSON = "person"
    """Whoever has logged in, even if only to change the one-time password."""
    VIEWER = "viewer"
    ADMIN = "admin"

    @property
    def role(self) -> Role:
        """The role that it takes at least."""
        return Role.ADMIN if self is Access.ADMIN else Role.VIEWER


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, for roles, throttling and the record."""

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
