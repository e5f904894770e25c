"""What a change is for, and what became of it: by this the result of a command and of a job is told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Aim:
    """What a change is for: slots that are to serve another chain when its passes have ended."""

    slots: tuple[tuple[str, str], ...] = ()
    """`(module, slot)`; none: the change itself is all that was meant."""
    chain: str = ""
    """Id of the chain that they are to serve; empty: any but those in `instead_of`."""
    instead_of: tuple[str, ...] = ()
    """Ids."""

    def is_served_by(self, live: str | None) -> bool:
        """Whether a slot with this chain in service is as it was meant to be."""
        return live == self.chain if self.chain else live not in {None, *self.instead_of}

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it back."""
        row = json.loads(text)
        return cls(tuple((each[0], each[1]) for each in row["slots"]), row["chain"], tuple(row["instead_of"]))


@dataclass(frozen=True, slots=True)
class AimOutcome:
    """What became of an aim, for people."""

    reached: tuple[str, ...]
    """``module/slot`` in service, or in place until its service starts or its window opens."""
    missed: tuple[str, ...]
    """``module/slot: cause``."""
    also: tuple[str, ...] = ()
    """What else is not well."""

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Read it back."""
        return cls(**{name: tuple(lines) for name, lines in json.loads(text).items()}) if text else None
