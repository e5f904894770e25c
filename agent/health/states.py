"""The words of a status, and which of them is worse."""

from __future__ import annotations

from enum import StrEnum

from agent.model.finding import Severity


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
    WARNING = "warning"
    """Good and in service, and yet somebody should act: the problem says why."""
    WAITING = "waiting"
    """In place, but its service isn't running, or the module's activation window isn't open."""
    ENDING = "ending"
    """It ends soon, and nothing else can be had in its place."""
    EXPIRED = "expired"
    UNUSED = "unused"
    """No need is bound to it, and nothing serves it."""


URGENCY = (
    Status.EXPIRED,
    Status.ENDING,
    Status.FAILED,
    Status.NOT_DEPLOYED,
    Status.OVERDUE,
    Status.LOCAL_FALLBACK,
    Status.WARNING,
    Status.WAITING,
    Status.ISSUING,
    Status.LOCAL_BY_DESIGN,
    Status.VALID,
    Status.UNUSED,
)
"""The worst first."""

SEVERITIES = {
    Status.EXPIRED: Severity.ERROR,
    Status.ENDING: Severity.ERROR,
    Status.FAILED: Severity.ERROR,
    Status.NOT_DEPLOYED: Severity.ERROR,
    Status.OVERDUE: Severity.WARNING,
    Status.LOCAL_FALLBACK: Severity.WARNING,
    Status.WARNING: Severity.WARNING,
}
"""Waiting is not among them: everything is in place, and the service's start completes it."""


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
    ASKS_FOR_NOTHING = "asks_for_nothing"
    """It has no needs, and nothing is deployed to it."""


FAILED_MODULES = frozenset({ModuleState.REFUSED, ModuleState.ROLLED_BACK, ModuleState.BROKEN, ModuleState.FAILED})


def severity_of(status: Status) -> Severity:
    """Return how severe it is that a chain has a status."""
    return SEVERITIES.get(status, Severity.NOTICE)


def severity_of_module(state: ModuleState) -> Severity:
    """Return how severe it is that a module is in a state."""
    return Severity.ERROR if state in FAILED_MODULES else Severity.NOTICE


def worst(labels: list[Status]) -> Status:
    """Return the label that a row gets."""
    return min(labels, key=URGENCY.index)
