"""Routes of the steps of roots' lives: the prepared one begins to sign, the one that was replaced retires, now or on a date."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import AwareDatetime, Field

from agent.api.access import Access, Proof
from agent.api.jobs import JobStarted, begin, new_job, started
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.errors.api import ConfirmationWordMissing
from agent.model.root import RootRecord
from agent.operations.effects import RetirementEffects, RootEffects
from agent.operations.root import prepared_effects, root_aim
from agent.operations.root_steps import begin_signing, prepared_root, retire_root, retirement_effects

BEGIN, RETIRE = "BEGIN", "RETIRE"
AT = "when; a date that is past, or none: now"


class Which(Input):
    """Root whose step is meant, where there are two."""

    of: str = Field("", max_length=64, description="SHA-256 of the root; empty: the main one, else the one beside it")


class Beginning(Which):
    """When the prepared root begins to sign, and for now the word that confirms that what will break was read."""

    at: AwareDatetime | None = Field(None, description=AT)
    typed: str = Field("", max_length=20, description=f'"{BEGIN}", for now')


class Retirement(Which):
    """Until when the replaced root is believed, and for now the word that confirms that what will break was read."""

    at: AwareDatetime | None = Field(None, description=AT)
    typed: str = Field("", max_length=20, description=f'"{RETIRE}", for now')


@dataclass(frozen=True, slots=True)
class PreparedRoot:
    """The root that is prepared, and what it would do if it began to sign now."""

    subject: str
    sha256: str
    signs_at: datetime | None
    effects: RootEffects


@dataclass(frozen=True, slots=True)
class RootStepStarted(JobStarted):
    """Job that makes a step of a root, or knows of its date from now on."""

    subject: str
    sha256: str
    at: datetime
    """When the step is made."""


def show_beginning(request: ApiRequest) -> ApiResponse:
    """Say what the prepared root would do if it signed now, asking every module. Raises `NoRootPrepared`."""
    query: Which = request.query
    with request.services.looking_state() as state:
        found, effects = prepared_root(state, query.of), prepared_effects(state, query.of)
    return ApiResponse(PreparedRoot(found.subject, found.sha256, found.signs_at, effects))


def begin_to_sign(request: ApiRequest) -> ApiResponse:
    """Have the prepared root sign. Raises `ConfirmationWordMissing`, `NoRootPrepared` and `RootStepTooLate`."""
    at, job = _instant(request, request.body.at, request.body.typed, BEGIN), new_job()
    with request.locked_state(job) as state:
        beside = prepared_root(state, request.body.of).beside
        aim = root_aim(state, beside=beside) if at is None else None
        found, when = begin_signing(state, at or state.now, request.body.of), at or state.now
    begin(request, job, "root begins to sign", found.subject, aim=aim)
    return _started(job, found, when)


def show_retirement(request: ApiRequest) -> ApiResponse:
    """Say what it would do if the replaced root were believed no longer, asking every module. Raises `NoRootReplaced`."""
    query: Which = request.query
    with request.services.looking_state() as state:
        return ApiResponse(retirement_effects(state, query.of))


def retire(request: ApiRequest) -> ApiResponse:
    """Believe the replaced root no longer. Raises `ConfirmationWordMissing`, `NoRootReplaced` and `RootStepTooLate`."""
    at, job = _instant(request, request.body.at, request.body.typed, RETIRE), new_job()
    with request.locked_state(job) as state:
        found, when = retire_root(state, at or state.now, request.body.of), at or state.now
    begin(request, job, "root retires", found.subject)
    return _started(job, found, when)


def _instant(request: ApiRequest, at: datetime | None, typed: str, word: str) -> datetime | None:
    """Return a date that is to come; None: now, which has to be confirmed. Raises `ConfirmationWordMissing`."""
    if at is not None and at > request.now:
        with suppress(OverflowError):  # the last day of the calendar, in a zone behind UTC
            return at.astimezone(UTC)
        return datetime.max.replace(tzinfo=UTC)
    if typed != word:
        raise ConfirmationWordMissing(word)
    return None


def _started(job: str, root: RootRecord, at: datetime) -> ApiResponse:
    return started(RootStepStarted(job, root.subject, root.sha256, at))


ROUTES = (
    Route(
        "GET",
        "/v1/root/begin",
        Access.VIEWER,
        show_beginning,
        "Say what the prepared root would break if it signed now, by name",
        PreparedRoot,
        query=Which,
        pool=Pool.LOOK,
        problems=(404, 503),
    ),
    Route(
        "POST",
        "/v1/root/begin",
        Access.ADMIN,
        begin_to_sign,
        "Have the prepared root sign, now or from a date on",
        RootStepStarted,
        202,
        body=Beginning,
        proof=Proof.PASSWORD,
        pool=Pool.CHANGE,
        problems=(404, 422, 503),
    ),
    Route(
        "GET",
        "/v1/root/retire",
        Access.VIEWER,
        show_retirement,
        "Say who would be cut off if the replaced root were believed no longer, by name",
        RetirementEffects,
        query=Which,
        pool=Pool.LOOK,
        problems=(404, 503),
    ),
    Route(
        "POST",
        "/v1/root/retire",
        Access.ADMIN,
        retire,
        "Believe the replaced root no longer, from now or from a date on",
        RootStepStarted,
        202,
        body=Retirement,
        proof=Proof.PASSWORD,
        pool=Pool.CHANGE,
        problems=(404, 422, 503),
    ),
)
