"""Generations, and what became of them, as data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

from agent.errors.problem import Problem
from agent.model.pause import LONGEST_LOOK, LONGEST_TRY, Pause

STOPPED = "deploy.service_stopped"
"""Code of the problem of an endpoint that has served, and at which nobody listens any more."""

NEW_SESSIONS_FAIL = "deploy.new_sessions_fail"
"""Code of the problem of an endpoint that serves nobody who comes, while sessions that are up may go on."""


class Step(StrEnum):
    """The steps of deploying, in the order in which a transaction passes through them.

    Each is persisted before it is entered: a process that dies in it is followed by one that knows what to redo or undo.
    """

    STAGE = "stage"
    """Generation directories are written."""
    PREPARE = "prepare"
    """Commands of the modules run in them (postmap)."""
    PREFLIGHT = "preflight"
    """The core reads back what was staged."""
    CHECK = "check"
    """The services' own tests."""
    STAGED = "staged"
    """Everything is on disk, flushed, and the list of renames is stored."""
    SWITCHING = "switching"
    """Renames."""
    RELOADING = "reloading"
    """Each service once."""
    PROBING = "probing"
    """Endpoints are looked at until they serve the new chains."""
    KEEPING = "keeping"
    """The outcome is stored, old generations are removed."""
    GOING_BACK = "going_back"
    """Renames are undone, services reloaded, endpoints looked at again."""


class Outcome(StrEnum):
    """Outcome of the last attempt to deploy a module."""

    LIVE = "live"
    UNSEEN = "unseen"
    """Switched, but nothing shows that the service runs it: its configuration alone has changed, or it can't be seen at all."""
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    WAITING = "waiting"
    BROKEN = "broken"
    RETIRING = "retiring"
    """It is no longer configured, but could not be taken out of its services, or is still served."""


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a generation: where it goes and what it's made of, never what it contains."""

    path: str
    slot: str | None
    mode: int
    owner: str
    group: str
    text: str | None = None
    """SHA-256 of the text with marks in place of directory and number; None: made from a chain."""
    chain: str | None = None
    parts: tuple[str, ...] = ()
    format: str = "pem"
    index: int | None = None
    publish: str | None = None
    how: str = "link"
    password: str | None = None
    """SHA-256 of the password with the path, so that another one makes another file; None: it has none."""

    @property
    def secret(self) -> bool:
        """Whether it contains a private key."""
        return "key" in self.parts

    def to_json(self) -> list[Any]:
        """Return a compact row."""
        row = [getattr(self, name) for name in self.__slots__]
        return row if self.password else row[:-1]  # as before there were passwords: digests are taken of it

    @classmethod
    def from_json(cls, row: list[Any]) -> Self:
        """Read what `to_json` wrote."""
        path, slot, mode, owner, group, text, chain, parts, *others = row
        return cls(path, slot, mode, owner, group, text, chain, tuple(parts), *others)


def parts_of(files: Iterable[ManifestFile]) -> dict[str | None, tuple[ManifestFile, ...]]:
    """Return files by their slot; None: those of the module as a whole."""
    found: dict[str | None, list[ManifestFile]] = defaultdict(list)
    for file in files:
        found[file.slot].append(file)
    return {slot: tuple(part) for slot, part in found.items()}


@dataclass(frozen=True)
class Generation:
    """An immutable directory with all that one module, or the entry of one service, is given."""

    owner: str
    """``module:NAME`` or ``service:NAME``."""
    number: int
    files: tuple[ManifestFile, ...]
    chains: Mapping[str, str]
    """Slot -> id of the chain."""
    digest: str
    """Over the manifest, independent of directory and number."""
    checksums: Mapping[str, str]
    """Path -> SHA-256 of what is on disk."""
    made: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """Path of each file that the module's own preparation has made -> mode, and numeric owner and group."""

    def part(self, slot: str | None) -> tuple[ManifestFile, ...]:
        """Return the files of one slot; of the module as a whole for None."""
        return self._parts.get(slot, ())

    @cached_property
    def _parts(self) -> Mapping[str | None, tuple[ManifestFile, ...]]:
        return parts_of(self.files)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Generation of one module that is in service, and what became of the last attempt to change it."""

    module: str
    generation: int | None
    """The one in service; None: none yet."""
    outcome: Outcome
    step: str = ""
    problem: Problem | None = None
    inputs: str = ""
    """What the last attempt was made from: settings, templates, plugin, host facts and chains."""
    at: datetime | None = None
    attempts: int = 0
    """Failures in a row."""
    retry_at: datetime | None = None
    tried_at: datetime | None = None
    """When the try was made after which it waits until `retry_at`."""

    @property
    def pause(self) -> Pause:
        """Pause before the next try."""
        return Pause(self.tried_at, self.retry_at, LONGEST_TRY)


class RefusedKind(StrEnum):
    """Kind of what a service refused."""

    CHAIN = "chain"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pair (part of a module, chain or configuration) that did not get into service; tried again with back-off."""

    module: str
    slot: str
    """Empty: the module as a whole."""
    kind: RefusedKind
    subject: str
    """Id of the chain, or digest of the configuration."""
    problem: Problem
    attempts: int
    retry_at: datetime
    tried_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is too early to try again."""
        return Pause(self.tried_at, self.retry_at, LONGEST_TRY).holds(now)


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """What was seen last at one endpoint."""

    module: str
    key: str
    slot: str
    address: str
    server_name: str
    chain: str | None
    """Id of the chain that is expected there."""
    served_sha256: str | None
    ok: bool
    problem: Problem | None
    checked_at: datetime | None
    """When it was looked at last: how old the evidence is. None: it was never looked at."""
    next_at: datetime | None
    served_at: datetime | None = None
    """When it served last what it should; None: it never did."""
    wrong_since: datetime | None = None
    """The first look at which it did not; None: it does, or was never looked at."""
    further: bool = False
    """Whether it is another address of an endpoint that has several. What is wrong there is told, but nothing is rolled back or
    deployed because of it."""

    plain_tls: bool = False
    """Whether a TLS handshake is all that shows the chain there: no STARTTLS, no way of a plugin's own."""

    @property
    def pause(self) -> Pause:
        """Pause before the next look."""
        return Pause(self.checked_at, self.next_at, LONGEST_LOOK)

    @property
    def gone(self) -> bool:
        """Whether it has served, and does not any more: nobody listens there, or what answers is something else."""
        return self.served_at is not None and self.problem is not None and not self.further

    @property
    def new_sessions_fail(self) -> bool:
        """Whether sessions that are up may go on: its service is not reloaded for it, as that may end them."""
        return self.problem is not None and self.problem.code == NEW_SESSIONS_FAIL

    @property
    def stopped(self) -> bool:
        """Whether it has served, and nobody listens there any more."""
        return self.problem is not None and self.problem.code == STOPPED
