"""Record of an installed plugin: whether it works, what it contributes, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.errors.plugin import PluginError
from agent.registry.contract_checks import Owner


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """Installed plugin, as ``chainwright plugins`` lists it."""

    owner: Owner
    enabled: bool
    errors: tuple[PluginError, ...] = ()
    contributions: tuple[str, ...] = ()
    """What of it works: ``module mail``."""
    plugin: object | None = field(default=None, repr=False)
    """The Python module, when all of its hooks can be asked."""
    notices: tuple[str, ...] = ()
    """Sentences about what works now, and is to go."""

    @property
    def name(self) -> str:
        """Name of its entry point, or stem of its file."""
        return self.owner.plugin

    @property
    def state(self) -> str:
        """``on``, ``off`` (installed, not enabled) or ``broken`` (at least a part of it)."""
        if self.errors:
            return "broken"
        return "on" if self.enabled else "off"

    @property
    def home(self) -> Path | None:
        """The directory of its Python file: ``templates/`` may be in it."""
        file = getattr(self.plugin, "__file__", None)
        return Path(file).parent if file else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "name": self.name,
            "origin": self.owner.origin,
            "state": self.state,
            "contributions": list(self.contributions),
            "notices": list(self.notices),
            "problems": [error.problem.to_json() for error in self.errors],
        }
