"""The guard around what sources answer while a plan is made: one that is broken declines, and the ladder goes on."""

from __future__ import annotations

from datetime import datetime

from agent.contract.source import Due, Offer, RequestState, Source
from agent.errors.plugin import SourceRaised
from agent.model.need import Request
from agent.registry.places import place_of_code


def offer_of(source: Source, request: Request, state: RequestState) -> Offer:
    """Ask whether a source would serve a request. Raises `SourceRaised`."""
    try:
        offer = source.offers(request, state)
        if not isinstance(offer, Offer):
            raise TypeError(f"it returned an object of type {type(offer).__name__}, not an Offer")
    except (Exception, SystemExit) as error:
        raise SourceRaised(source.name, "offers", error, place_of_code(type(source).offers, error)) from error
    return offer


def due_of(source: Source, request: Request, state: RequestState, now: datetime) -> Due:
    """Ask when a source wants to be asked for a new chain. Raises `SourceRaised`."""
    try:
        due = source.due(request, state, now)
        if not isinstance(due, Due):
            raise TypeError(f"it returned an object of type {type(due).__name__}, not a Due")
        if not isinstance(due.at, datetime) or due.at.tzinfo is None:
            raise TypeError("it returned a Due whose instant has no time zone")
    except (Exception, SystemExit) as error:
        raise SourceRaised(source.name, "due", error, place_of_code(type(source).due, error)) from error
    return due


def offer_or_reason(source: Source, request: Request, state: RequestState) -> Offer:
    """Ask whether a source would serve a request; one that is broken declines, and the reason says why."""
    try:
        return offer_of(source, request, state)
    except SourceRaised as error:
        return Offer(serves=False, reason=error.problem.cause.rstrip("."))
