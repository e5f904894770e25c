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
    bridged: bool = False
    """Who knows only the present root takes what the other one signs, by a cross-certificate that is sent with it."""
    obstacle: str = ""
    """Why there is no such certificate, where it isn't for being skipped."""
    at_once: tuple[ModuleConsequence, ...] = ()
    """What it breaks where the overlap is skipped, which is not what was asked about."""


@dataclass(frozen=True, slots=True)
class RetirementEffects(ChangeEffects):
    """Effects of no longer believing a root that another one has replaced."""

    subject: str
    sha256: str
    not_after: datetime
    peers: tuple[str, ...]
    """``module/label`` for which it has signed a certificate that is still valid, and that may still be in use."""
    served: tuple[str, ...]
    """``module/slot`` that are served with a chain of it, until they are given another one."""


@dataclass(frozen=True, slots=True)
class RevocationEffects(ChangeEffects):
    """Something that an own root has signed, and the effects of revoking it."""

    serial: str
    names: tuple[str, ...]
    peer: str
    """``module/label`` of a peer certificate; empty for a local chain."""
    switches: tuple[Switch, ...]
    """Needs that get another chain."""
