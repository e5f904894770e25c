"""`Pin`: the uploaded chain that a person has chosen for one need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Pin:
    """An uploaded chain that goes before all other uploads for a need. One in the settings, `Need.pin`, goes before it."""

    module: str
    slot: str
    chain: str
    """Id."""
    who: str
    at: datetime

    @property
    def key(self) -> tuple[str, str]:
        """`(module, slot)`."""
        return self.module, self.slot
