"""Routes that change chains: reissue, revoke, delete, export, and a pass over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agent.api.access import Access, Proof
from agent.api.chains import attachment, known
from agent.api.jobs import JobStarted, begin, new_job, started
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.errors.api import ConfirmationRequired
from agent.model.task import Task, TaskKind
from agent.operations import reissue as operations
from agent.operations.aims import aim_at
from agent.operations.export import LONGEST_PASSPHRASE, SHORTEST_PASSPHRASE, export_chain
from agent.operations.reissue import KeptUpload
from agent.operations.uploads import delete_upload

PKCS12 = "application/x-pkcs12"
MOST_NAMES = 100
Name = Annotated[str, Field(min_length=1, max_length=253)]


class Reissue(Input):
    """Names for which new chains are wanted."""

    names: tuple[Name, ...] = Field(min_length=1, max_length=MOST_NAMES)
    force: bool = Field(False, description="ask the CA even where a check beforehand says that it will refuse")
    new_key: bool = Field(False, description='never use the present key again, also where a module has `key = "keep"`')


class Reason(StrEnum):
    """CRLReason of RFC 5280 section 5.3.1, as far as a subscriber gives it."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"


class Revocation(Input):
    """Chain that is to be revoked, and why."""

    chain: str = Field(max_length=64, description="its whole id")
    reason: Reason = Reason.UNSPECIFIED
    confirmed: bool = Field(False, description="it can't be undone")


class Pass(Input):
    """Options of a pass."""

    now: bool = Field(False, description="don't wait for activation windows")
    retry: bool = Field(False, description="ask sources that have failed at once again, and try again what was refused")


class Export(Input):
    """Passphrase that protects the key in the file."""

    passphrase: str = Field(
        max_length=LONGEST_PASSPHRASE, repr=False, description=f"at least {SHORTEST_PASSPHRASE} characters"
    )


class Deletion(Input):
    """Confirmation of a deletion."""

    confirmed: bool = Field(False, description="delete it though modules use it: the next source takes over at once")


@dataclass(frozen=True, slots=True)
class ReissueStarted(JobStarted):
    """Job that gets new chains."""

    names: tuple[str, ...]
    kept: tuple[KeptUpload, ...]


def reissue(request: ApiRequest) -> ApiResponse:
    """Ask for new chains. Raises `NothingToReissue` and `NameInvalid`."""
    body: Reissue = request.body
    job = new_job()
    with request.locked_state(job) as state:
        asked = operations.reissue(state, body.names, force=body.force, new_key=body.new_key)
    begin(request, job, "reissue", ", ".join(body.names[:5]), aim=asked.aim)
    return started(ReissueStarted(job, asked.names, asked.kept))


def apply(request: ApiRequest) -> ApiResponse:
    """Make a pass."""
    body: Pass = request.body
    job = new_job()
    detail = ", ".join(word for word, said in (("now", body.now), ("retry", body.retry)) if said)
    if body.retry:
        with request.locked_state(job) as state:
            operations.retry_failed(state, "apply", detail)
    else:
        request.note("apply", "everything", detail)
    task = Task(windows=not body.now, everywhere=True)
    return started(begin(request, job, "apply", "everything", task))


def revoke(request: ApiRequest) -> ApiResponse:
    """Have a chain revoked by its CA. Raises `UnknownChain`, and `ConfirmationRequired` with its consequences."""
    body: Revocation = request.body
    record = known(request.services, body.chain)
    if not body.confirmed:
        with request.locked_state() as state:
            raise ConfirmationRequired(
                [f"{each.module}/{each.slot}: {each.reason}" for each in state.without(record.id)]
            )
    task = Task(TaskKind.REVOKE, record.id, str(body.reason))
    subject = ", ".join(record.names[:3])
    request.note("revoke", subject, f"{record.id}, {body.reason}")
    return started(begin(request, new_job(), "revoke", subject, task))


def delete(request: ApiRequest) -> ApiResponse:
    """Delete an uploaded chain. Raises `UnknownChain`, `ChainInUse`, `OnlyKeyLost` and `NotDeletable`."""
    query: Deletion = request.query
    job = new_job()
    with request.locked_state(job) as state:
        record = state.known(request.path["id"])
        switches = delete_upload(state, record.id, confirmed=query.confirmed)
    aim = aim_at(switches, instead_of=(record.id,))
    return started(begin(request, job, "chain deleted", ", ".join(record.names[:3]), aim=aim))


def export(request: ApiRequest) -> ApiResponse:
    """Return a chain with its key, protected by a passphrase. The audit record has it first.

    Raises `UnknownChain` and `PassphraseRefused`.
    """
    from agent.pki.encoding import Format, Part

    body: Export = request.body
    record = known(request.services, request.path["id"])
    parts, password = [Part.KEY, Part.FULLCHAIN], body.passphrase.encode()
    content = export_chain(
        request.services.layout, record.id, parts, Format.PKCS12, password, actor=request.actor, now=request.now
    )
    return ApiResponse(content, media_type=PKCS12, headers=attachment(record.names, "p12"))


ROUTES = (
    Route(
        "POST",
        "/v1/reissue",
        Access.ADMIN,
        reissue,
        "Get new chains from the highest source that can deliver",
        ReissueStarted,
        202,
        body=Reissue,
        pool=Pool.CHANGE,
        problems=(422, 503),
    ),
    Route(
        "POST",
        "/v1/apply",
        Access.ADMIN,
        apply,
        "Check everything, and do what is due, now",
        JobStarted,
        202,
        body=Pass,
        pool=Pool.CHANGE,
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/revoke",
        Access.ADMIN,
        revoke,
        "Have a chain revoked by its CA, stop serving it, and order a new one",
        JobStarted,
        202,
        body=Revocation,
        proof=Proof.PASSWORD,
        pool=Pool.CHANGE,
        problems=(404, 422, 503),
    ),
    Route(
        "DELETE",
        "/v1/chains/{id}",
        Access.ADMIN,
        delete,
        "Delete an uploaded chain",
        JobStarted,
        202,
        query=Deletion,
        pool=Pool.CHANGE,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/chains/{id}/export",
        Access.ADMIN,
        export,
        "Return a chain with its key as PKCS#12",
        body=Export,
        pool=Pool.EXPORT,
        proof=Proof.PASSWORD,
        media_types=(PKCS12,),
        problems=(404, 422, 503),
    ),
)
