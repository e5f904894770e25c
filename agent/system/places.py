"""Directories of one module or service. Cheap to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Directories under ``--root`` that a module or service may name in its files and commands."""

    root: Path
    """Prefix of every absolute path of the settings; `/` on an appliance."""
    state: Path
    """The directory of this module or service, with its generations and the link `live`."""
    run: Path
    """For sockets and pid files; emptied at boot."""
    log: Path

    @property
    def live(self) -> Path:
        """The link to the generation that is in service."""
        return self.state / "live"

    def of_generation(self, module: str, number: str, name: str) -> Path:
        """Return a path in `run` that one generation of a module has for itself: ``MODULE-NUMBER-NAME``.

        Where an entry in service goes on with another generation of the module, such paths in it are changed as directories are.
        """
        return self.run / f"{module}-{number}-{name}"

    def rooted(self, path: Path | str) -> Path:
        """Return an absolute path of the settings below ``--root``."""
        return self.root / Path(path).relative_to("/")
