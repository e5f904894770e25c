"""Footprints: what was put into services, stored so that it can be taken out again without settings and plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from agent.model.deployment import ManifestFile
from agent.system.command import Action, Command, Signal


@dataclass(frozen=True, slots=True)
class ServedPlace:
    """Endpoint at which a chain was served."""

    slot: str
    chain: str
    """Id of the chain: SHA-256 of its leaf."""
    host: str
    port: int
    path: str
    """Of a UNIX socket; empty: host and port."""
    server_name: str
    starttls: str
    """Empty: TLS from the first octet."""

    @property
    def address(self) -> str:
        """What tells this place from others, whatever the name."""
        return f"unix:{self.path}" if self.path else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class ModuleFootprint:
    """What a module's generation in service has to do with others."""

    services: tuple[str, ...]
    """Shared services that it is part of."""
    places: tuple[ServedPlace, ...]
    """Endpoints that can be looked at by a TLS handshake."""
    reload: Action | None = None
    """What makes a service of its own read its files again."""
    check: Command | None = None
    """The test of a service of its own that reads what is published: it may name what is about to be taken away."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "services": list(self.services),
            "places": [asdict(each) for each in self.places],
            "reload": written_action(self.reload),
            "check": written_action(self.check),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        places = tuple(ServedPlace(**each) for each in row["places"])
        return cls(tuple(row["services"]), places, read_action(row["reload"]), _command(row.get("check")))


@dataclass(frozen=True)
class ServiceFootprint:
    """How a shared service is told that no module is left."""

    group: str
    in_place: bool
    """Its main file is the administrator's, and its test reads what is in service."""
    running: Command | Path | None
    """How to know that it runs."""
    check: Command | None
    """Its own test without any module, with marks for directory and number of the entry."""
    reload: Action | None
    files: tuple[ManifestFile, ...] = ()
    """Its entry without any module."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 -> text with marks."""
    own: bool = False
    """Whether its main file is the agent's: nothing but what the agent gives it is served by this instance."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        running = str(self.running) if isinstance(self.running, Path) else written_action(self.running)
        return {
            "group": self.group,
            "in_place": self.in_place,
            "running": running,
            "check": written_action(self.check),
            "reload": written_action(self.reload),
            "files": [each.to_json() for each in self.files],
            "texts": dict(self.texts),
            "own": self.own,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        running = row["running"]
        return cls(
            group=row["group"],
            in_place=row["in_place"],
            running=Path(running) if isinstance(running, str) else _command(running),
            check=_command(row["check"]),
            reload=read_action(row["reload"]),
            files=tuple(ManifestFile.from_json(each) for each in row["files"]),
            texts=row["texts"],
            own=row.get("own", False),
        )


def written_action(action: Action | None) -> dict[str, Any] | None:
    """Return an action as plain JSON types."""
    if action is None:
        return None
    if isinstance(action, Signal):
        return {"pid_file": str(action.pid_file), "name": action.name}
    return {
        "argv": list(action.argv),
        "timeout": action.timeout,
        "strict": action.strict,
        "environment": dict(action.environment),
    }


def read_action(row: Mapping[str, Any] | None) -> Action | None:
    """Read what `written_action` wrote."""
    if row is None or "argv" in row:
        return _command(row)
    return Signal(Path(row["pid_file"]), name=row["name"])


def _command(row: Mapping[str, Any] | None) -> Command | None:
    if row is None:
        return None
    return Command(tuple(row["argv"]), timeout=row["timeout"], strict=row["strict"], environment=row["environment"])
