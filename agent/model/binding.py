"""`Binding`: one row of "used by"."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class LadderPosition(StrEnum):
    """Place of a binding on the ladder."""

    WANTED = "wanted"
    """The highest rung that may serve the need."""
    BY_DESIGN = "by_design"
    """The local root, because no higher rung can serve these names."""
    FALLBACK = "fallback"
    """A lower rung serves until a higher one delivers."""
    STANDS_IN = "stands_in"
    """A chain of the wanted rung that was made for more names serves until it has one for just these."""
    MISSING = "missing"
    """No chain at all yet."""


@dataclass(frozen=True, slots=True)
class Binding:
    """`(module, slot) -> chain, because reason`. Computed by `agent.planning.binding.bind`, written by nobody else."""

    module: str
    slot: str
    chain: str | None
    reason: str
    standing: LadderPosition
    refused: tuple[str, ...] = field(default=(), compare=False)
    """Ids of the chains that would go before it if the module's service took them, the best first; where it took none of
    them, of all, this one too. Not stored."""

    @property
    def key(self) -> tuple[str, str]:
        """`(module, slot)`."""
        return self.module, self.slot
