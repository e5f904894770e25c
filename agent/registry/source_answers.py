"""Answers of sources to planning, checked: a plugin's source that fails costs only what it would have delivered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from agent.contract.source import Due, Offer, RequestState, Source
from agent.errors.plugin import SourceAnswerRefused
from agent.model.need import Request
from agent.registry.places import place_of_code

T = TypeVar("T")
OWN = "agent."
"""Beginning of the Python modules of the core's own sources: what they raise is a mistake of the program."""


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """Whether a source serves a request, and when a new chain is due."""

    offer: Offer
    due: Due | None = None
    """None: it doesn't serve the request."""
    error: SourceAnswerRefused | None = None


def ask(source: Source, request: Request, state: RequestState, now: datetime) -> SourceAnswer:
    """Ask a source whether and when. One that fails, or answers with something else, declines, with the reason."""
    if type(source).__module__.startswith(OWN):
        offer = source.offers(request, state)
        return SourceAnswer(offer, source.due(request, state, now) if offer.serves else None)
    asked = "offers"
    try:
        offer = _expected(source.offers(request, state), Offer, asked)
        asked = "due"
        due = _expected(source.due(request, state, now), Due, asked) if offer.serves else None
    except Exception as error:
        refused = SourceAnswerRefused(source.name, place_of_code(getattr(type(source), asked), error), asked, error)
        return SourceAnswer(Offer(serves=False, reason=refused.problem.cause.rstrip(".")), error=refused)
    return SourceAnswer(offer, due)


def _expected(answer: object, kind: type[T], asked: str) -> T:
    if not isinstance(answer, kind):
        shown = "nothing" if answer is None else type(answer).__name__
        raise TypeError(f"{asked} returned {shown} instead of {kind.__name__}")
    return answer
