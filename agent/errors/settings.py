"""The administrator must edit a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.errors.base import AgentError
from agent.errors.wording import escaped


class SettingsError(AgentError):
    """Settings can't be used as they are; the agent keeps those that it has. Exit code 2."""

    code = "settings"


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """One thing that is wrong in the settings, and what would be right."""

    file: str
    table: str
    """Dotted, without brackets: ``modules.mail``; empty: top level, or the file as a whole."""
    key: str
    """Below the table; empty: the table as a whole."""
    cause: str
    """What is wrong and what is allowed, without a full stop."""

    def __str__(self) -> str:
        place = " ".join(part for part in (f"[{self.table}]" if self.table else "", self.key) if part)
        return escaped(f"{self.file}: {place}: {self.cause}" if place else f"{self.file}: {self.cause}")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"file": self.file, "table": self.table, "key": self.key, "cause": self.cause}


class SettingsRefused(SettingsError):
    """Every error of the settings at once."""

    code = "settings.refused"
    cause = "{all_errors}"
    effect = "The agent keeps the settings that it has."
    fix = "Correct the settings, then: chainwright config check"
    errors: tuple[SettingsProblem, ...]

    @property
    def all_errors(self) -> str:
        """How many errors there are, and each on a line."""
        first = "There is an error" if len(self.errors) == 1 else f"There are {len(self.errors)} errors"
        return "\n  ".join([f"{first} in the settings:", *(f"{error}." for error in self.errors)])
