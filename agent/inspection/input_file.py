"""What is given to the doctor: files, or text that was pasted."""

from __future__ import annotations

from dataclasses import dataclass, field

LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file, or one pasted text."""

    name: str
    """How people call it: the file's name."""
    data: bytes = field(repr=False)

    @property
    def place(self) -> str:
        """The name, fit to be printed."""
        shown = self.name[:LONGEST_NAME]
        return "".join(char if char.isprintable() else "?" for char in shown) or "pasted text"
