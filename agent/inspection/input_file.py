"""Input of an inspection: files, or pasted text."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.system.text import printable

LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file, or one pasted text."""

    name: str
    """The file's name, for messages."""
    data: bytes = field(repr=False)

    @property
    def place(self) -> str:
        """The name, fit to be printed."""
        return printable(self.name, LONGEST_NAME) or "pasted text"
