"""No way to prove a name to a CA is open: seen before the CA is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from agent.errors.acme import AGAIN, WHERE
from agent.errors.source import SourceError


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why one method doesn't prove one name."""

    name: str
    method: str
    """Type of the challenge: "http-01"."""
    why: str
    """A sentence, or a clause."""
    fix: str = ""
    """A sentence; empty: `why` says it."""

    def __str__(self) -> str:
        return f"{self.method}: {self.why.rstrip('.')}"


class NothingProves(SourceError):
    """Each method that the settings allow lacks something for these names."""

    code = "source.nothing_proves"
    counts = False
    cause = "{ca} was not asked, as nothing proves {names:few}: {shown}."
    where = WHERE
    fix = "{cure}"
    detail = "{all_obstacles}"
    ca: str
    obstacles: Sequence[Obstacle]
    retry_at: datetime

    @property
    def names(self) -> list[str]:
        """Those that nothing proves."""
        return list(dict.fromkeys(each.name for each in self.obstacles))

    @property
    def shown(self) -> str:
        """What is missing for the first name, method by method."""
        return "; ".join(str(each) for each in self.obstacles if each.name == self.names[0])

    @property
    def cure(self) -> str:
        """What to do about the first obstacle that isn't plain from what is said of it."""
        known = next((each.fix for each in self.obstacles if each.fix), "")
        return known or f"Do one of these (all of them: chainwright acme check NAME), {AGAIN}"

    @property
    def all_obstacles(self) -> str:
        """All of them, a line each."""
        return "\n".join(f"{each.name} by {each} {each.fix}".rstrip() for each in self.obstacles)

    @cached_property
    def failed(self) -> frozenset[str]:
        """Names that nothing proves."""
        return frozenset(self.names)
