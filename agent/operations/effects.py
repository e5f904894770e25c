"""Effects of a change, as data: needs that get another chain, and what breaks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.planning.comparison import Outranked


@dataclass(frozen=True, slots=True)
class Switch:
    """One need whose chain changes."""

    module: str
    slot: str
    before: str | None
    after: str | None
    """Ids of the chains."""
    reason: str


@dataclass(frozen=True, slots=True)
class UploadEffects:
    """Effects of an upload on the needs that it could serve."""

    switches: tuple[Switch, ...]
    """Needs that get another chain."""
    outranked: tuple[Outranked, ...]
    """Needs that go on with another chain, which goes before the upload."""


@dataclass(frozen=True, slots=True)
class ModuleConsequence:
    """Something that a change breaks in one module, by name."""

    module: str
    sentence: str
    severity: str
    """info, warning or outage."""


@dataclass(frozen=True, slots=True)
class UninspectedModule:
    """A module where what runs could not be seen: what it says may be too little."""

    module: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeEffects:
    """Effects of a change on modules, as they say."""

    consequences: tuple[ModuleConsequence, ...]
    unknown: tuple[str, ...]
    """Modules that could not say."""
    uninspected: tuple[UninspectedModule, ...]


@dataclass(frozen=True, slots=True)
class RootEffects(ChangeEffects):
    """Effects of another root."""

    resigned: tuple[str, ...]
    """``module/slot`` whose local chain is signed again."""
    peers: tuple[str, ...]
    """``module/label`` whose peer certificate is signed again, and has to be carried to its device."""
    signs_at: datetime | None = None
    """When that is; None: at once."""
    dropped: str = ""
    """Subject of a root that was prepared, and that gives way to this one."""


@dataclass(frozen=True, slots=True)
class RevocationEffects(ChangeEffects):
    """Something that an own root has signed, and the effects of revoking it."""

    serial: str
    names: tuple[str, ...]
    peer: str
    """``module/label`` of a peer certificate; empty for a local chain."""
    switches: tuple[Switch, ...]
    """Needs that get another chain."""
