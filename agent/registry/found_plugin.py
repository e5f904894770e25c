"""A plugin that is installed, before anything of it has run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors.plugin import PluginError
from agent.registry.contract_checks import Owner


@dataclass(frozen=True, slots=True)
class FoundPlugin:
    """Plugin that is installed; nothing of it has run yet."""

    owner: Owner
    load: Callable[[], object] = field(repr=False)
    """Import it. May raise anything."""
    problem: PluginError | None = None
    """Why it may not be loaded at all."""
    homes: Callable[[], list[Path]] = field(default=list, repr=False)
    """Files and directories with its code."""
    entry: str = ""
    """What its entry point names; empty: it is a file."""
