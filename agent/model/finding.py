"""`Finding`: one thing that somebody should know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.errors.problem import Problem


class SubjectKind(StrEnum):
    """Kind of what a finding is about."""

    SETTINGS = "settings"
    APPLIANCE = "appliance"
    """Clock, disk, database, permissions."""
    PASS = "pass"  # noqa: S105 - one run of plan and perform
    PLUGIN = "plugin"
    """A plugin, a policy or an observer."""
    CA = "ca"
    RECORD = "record"
    """A record in DNS."""
    ROOT = "root"
    CHAIN = "chain"
    UPLOAD = "upload"
    MODULE = "module"
    SERVICE = "service"
    ENDPOINT = "endpoint"


class Severity(StrEnum):
    """Severity of a finding."""

    NOTICE = "notice"
    """Worth knowing; nobody needs to act."""
    WARNING = "warning"
    """Somebody should act, while everything is still served."""
    ERROR = "error"
    """Something isn't served, or is about to be refused by clients."""

    @property
    def degrades(self) -> bool:
        """Whether the appliance counts as degraded: exit code 3."""
        return self is not Severity.NOTICE


SEVEREST_FIRST = (Severity.ERROR, Severity.WARNING, Severity.NOTICE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should know: what it is about, how bad it is, since when, its cause and the next step."""

    kind: SubjectKind
    subject: str
    """Id of a chain or an upload, SHA-256 of a root, ``module/slot``, else a name."""
    severity: Severity
    problem: Problem
    """Cause, where, next step, what is served meanwhile, next try, the service's own words."""
    since: datetime | None = None
    """When it began, UTC; None: not known."""
    title: str = ""
    """What people call the subject; empty: as `subject`."""

    @property
    def name(self) -> str:
        """Return what people call the subject."""
        return self.title or self.subject

    @property
    def key(self) -> tuple[SubjectKind, str, str]:
        """Kind, subject and code: what makes it the same finding as before."""
        return self.kind, self.subject, self.problem.code


def to_act_on(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that somebody should act on: where there are any, the appliance is degraded."""
    return [each for each in findings if each.severity.degrades]
