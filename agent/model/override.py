"""Templates of the administrator that go before built-in ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Override:
    """Template of the administrator, with what it overrides as that is now."""

    template: str
    """``reverse_proxy/site.conf.j2``."""
    path: Path
    built_in: str | None
    """Text; None: nothing has that name."""
    is_named: bool = False
    """Whether another template includes or extends it, where it overrides none."""


@dataclass(frozen=True, slots=True)
class OverrideBase:
    """Built-in template as it was when it was copied, or when its override was first seen."""

    template: str
    text: str
    since: datetime
