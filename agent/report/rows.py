"""The rows of a status, and their form as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from agent.errors.problem import Problem, rfc3339
from agent.health.snapshot import Progress
from agent.health.states import ModuleState, Status
from agent.model.finding import Finding, to_act_on

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class RootRow:
    """The root that signs."""

    subject: str
    sha256: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """What was seen last at one endpoint."""

    address: str
    server_name: str
    served_sha256: str | None
    ok: bool
    seen_at: datetime | None
    """When it was looked at last; None: never."""


@dataclass(frozen=True, slots=True)
class UseRow:
    """One row of "used by"."""

    module: str
    slot: str
    reason: str
    deployment: str | None
    """live, refused, rolled_back, waiting or broken; None: not deployed yet."""
    endpoints: tuple[EndpointRow, ...]


@dataclass(frozen=True, slots=True)
class ChainRow:
    """One chain."""

    id: str
    names: tuple[str, ...]
    source: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    key_type: str
    sha256: str
    status: Status
    problem: Problem | None
    next_action_at: datetime | None
    """Its renewal, or the next try of what failed."""
    used_by: tuple[UseRow, ...]
    progress: Progress | None = None
    """With `Status.ISSUING`, once the source has begun."""
    authority: str = ""
    """What people call the CA that `source` asked for it; empty: it has no name that everybody knows."""

    @property
    def came_from(self) -> str:
        """Where it came from: the name in the settings, and that of the CA."""
        return f"{self.source} ({self.authority})" if self.authority else self.source


@dataclass(frozen=True, slots=True)
class NeedRow:
    """What a module asked for."""

    module: str
    slot: str
    names: tuple[str, ...]
    chain: str | None
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class UploadRow:
    """A chain that the administrator uploaded."""

    id: str
    names: tuple[str, ...]
    issuer: str
    not_after: datetime
    status: Status
    used_for: tuple[str, ...]
    """``module/slot``."""


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """One ``[modules.NAME]`` table."""

    name: str
    title: str
    enabled: bool
    state: ModuleState
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class StateRow:
    """State that a service tells of itself."""

    kind: str
    """module or service."""
    owner: str
    subject: str
    state: str
    why: str
    since: datetime | None
    severity: str | None
    """None: nobody has to know."""
    attempts: int
    """To mend it, since it began."""
    retry_at: datetime | None
    """When it is tried next."""
    said: str
    """What the last try said that failed."""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole status."""

    now: datetime
    next_at: datetime | None
    """When the agent has something to do again."""
    owner: str
    """Whose the agent's files are: ``root`` on an appliance."""
    root: RootRow | None
    chains: tuple[ChainRow, ...]
    """The most urgent first, then by their end."""
    needs: tuple[NeedRow, ...]
    uploaded: tuple[UploadRow, ...]
    modules: tuple[ModuleRow, ...]
    states: tuple[StateRow, ...]
    """What services tell of themselves."""
    findings: tuple[Finding, ...]
    """What somebody should know, the severest first."""
    changes_at: datetime | None
    """When time alone changes the findings next."""

    @property
    def attention(self) -> list[str]:
        """Return what somebody should act on, each subject once, by what people call it: several may have the same names."""
        return list({each.subject: each.name for each in to_act_on(self.findings)}.values())

    @property
    def degraded(self) -> bool:
        """Whether somebody should act: exit code 3."""
        return bool(self.attention)

    @property
    def summary(self) -> dict[str, int]:
        """Return counts: chains, chains by status, and what needs attention."""
        counts = Counter(str(row.status) for row in self.chains)
        return {
            "chains": len(self.chains),
            **{str(status): counts[status] for status in Status},
            "attention": len(self.attention),
        }

    def to_json(self) -> dict[str, Any]:
        """Return what ``chainwright status --json`` prints."""
        rows = {each.name: plain(getattr(self, each.name)) for each in fields(self)}
        return {"schema": SCHEMA, "degraded": self.degraded, "summary": self.summary, **rows}


def plain(value: Any) -> Any:
    """Return plain JSON types: instants as RFC 3339 in UTC."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Problem):
        return value.to_json()
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    return str(value) if isinstance(value, StrEnum) else value
