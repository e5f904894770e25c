"""The words of a status, and which of them is worse."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Status of a chain: the worse of its certificate and of its deployment."""

    VALID = "valid"
    LOCAL_BY_DESIGN = "local_by_design"
    LOCAL_FALLBACK = "local_fallback"
    """A higher source could serve these names, but has not yet."""
    ISSUING = "issuing"
    """A source is being asked right now; a usable chain is served meanwhile."""
    OVERDUE = "overdue"
    """Past its renewal by more than a twentieth of its lifetime."""
    FAILED = "failed"
    """A source refused it in a way that needs a person, or it was revoked."""
    NOT_DEPLOYED = "not_deployed"
    """A module does not serve it."""
    WAITING = "waiting"
    """In place, but its service isn't running, or the module's activation window isn't open."""
    EXPIRED = "expired"
    UNUSED = "unused"
    """No need is bound to it, and nothing serves it."""


URGENCY = (
    Status.EXPIRED,
    Status.FAILED,
    Status.NOT_DEPLOYED,
    Status.OVERDUE,
    Status.LOCAL_FALLBACK,
    Status.WAITING,
    Status.ISSUING,
    Status.LOCAL_BY_DESIGN,
    Status.VALID,
    Status.UNUSED,
)
"""The worst first."""

DEGRADED = frozenset(
    {Status.EXPIRED, Status.FAILED, Status.NOT_DEPLOYED, Status.OVERDUE, Status.LOCAL_FALLBACK},
)
"""Somebody should look. Waiting is not among them: everything is in place, and the service's start completes it."""


class ModuleState(StrEnum):
    """State of a module."""

    OK = "ok"
    UNSEEN = "unseen"
    """Switched, and nothing shows that the service runs it."""
    WAITING = "waiting"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    BROKEN = "broken"
    FAILED = "failed"
    """Its plugin can't be used; its last generation stays in service."""
    DISABLED = "disabled"
    NEW = "new"
    """Nothing has been deployed to it yet."""


DEGRADED_MODULES = frozenset({ModuleState.REFUSED, ModuleState.ROLLED_BACK, ModuleState.BROKEN, ModuleState.FAILED})


def worst(labels: list[Status]) -> Status:
    """Return the label that a row gets."""
    return min(labels, key=URGENCY.index)
