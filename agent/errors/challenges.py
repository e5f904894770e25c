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


class NotAsked(SourceError):
    """The settings keep names from a CA."""

    code = "source.not_asked"
    counts = False
    cause = "{ca} is never asked to certify {name}: {reason}."
    where = WHERE
    fix = "{cure}"
    ca: str
    name: str
    reason: str
    cure: str


class AnotherNode(SourceError):
    """The command of the settings says that this machine is not the one that asks now, as the second of a pair."""

    code = "source.another_node"
    counts = False
    cause = "This machine does not ask the CA now, as only_if says: {program}: {why}."
    where = WHERE
    fix = "Nothing has to be done if another machine holds the addresses; else look what the command says."
    detail = "{said}"
    program: str
    why: str
    retry_at: datetime
    said: str = ""


class WindowUnopened(SourceError):
    """The command that lets a CA's challenges in has failed."""

    code = "source.window_unopened"
    counts = False
    cause = "The way for a CA to {names:few} was not opened, so it was not told to look: {program} failed: {why}."
    where = WHERE
    fix = f"Run it by hand and see what it says, {AGAIN}"
    detail = "{said}"
    program: str
    why: str
    names: Sequence[str]
    retry_at: datetime | None
    said: str = ""
