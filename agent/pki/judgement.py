"""Judgement: what clients would make of a certification path, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from agent.errors import AgentError

EVERY_CLIENT = "every client"
INCOMPLETE = "chain.incomplete"
"""Code of the objection that no known root is above the path."""


@dataclass(frozen=True, slots=True)
class Objection:
    """One thing that clients object to in one certificate of a path."""

    code: str
    """Stable, dotted, like that of an error."""
    certificate: str
    """Title of the certificate."""
    sentence: str
    """Without a full stop."""
    clients: str = EVERY_CLIENT
    """Who refuses."""
    added: int = 1
    """Edition of the judge with which the check was added (`EDITION` in `agent.pki.judge`); 0: nothing is forgiven."""
    error: AgentError | None = None
    """What an upload is refused with; None for a warning."""

    @classmethod
    def of(cls, error: AgentError, certificate: str, *, added: int = 1) -> Self:
        """Return the objection of every client that `error` describes."""
        problem = error.problem
        return cls(problem.code, certificate, problem.cause.rstrip("."), added=added, error=error)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Outcome of `agent.pki.judge.judge`."""

    refused: tuple[Objection, ...] = ()
    """What every client refuses."""
    warnings: tuple[Objection, ...] = ()
    """What some clients refuse; each names them."""

    @property
    def good(self) -> bool:
        """Whether no client is known that refuses for a reason that all share."""
        return not self.refused

    @property
    def complete(self) -> bool:
        """Whether the path leads to a root that is known here, or is self-signed."""
        return all(each.code != INCOMPLETE for each in self.warnings)

    def require_good(self) -> None:
        """Raise the error of the first objection that every client shares."""
        for objection in self.refused:
            if objection.error is not None:
                raise objection.error

    def as_renewal_of(self, served: Judgement, edition: int) -> Judgement:
        """Return what stops a renewal of a chain that `edition` let in (0: no judge did), and that is now judged as `served`.

        A check that was added since then, and that `served` fails too, warns for one lifetime before it refuses.
        """
        known = {each.code for each in served.refused}
        forgiven = tuple(each for each in self.refused if each.added > edition and each.code in known)
        if not forgiven:
            return self
        kept = tuple(each for each in self.refused if each not in forgiven)
        return Judgement(kept, (*(replace(each, error=None) for each in forgiven), *self.warnings))
