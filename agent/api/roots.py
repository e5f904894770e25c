"""Routes of the root: its details, its public certificate, and its replacement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import Field

from agent.api.access import Access, Proof
from agent.api.chains import PEM, attachment
from agent.api.jobs import JobStarted, begin, new_job, started
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.api.uploads import Given
from agent.errors.api import ConfirmationWordMissing
from agent.errors.root import RootMissing
from agent.model.aim import Aim
from agent.model.root import RootRecord
from agent.operations.effects import RootEffects
from agent.operations.root import reissue_root, root_aim, root_effects, upload_effects, upload_root
from agent.operations.uploads import Through
from agent.report.details import RootDetails, root_details
from agent.report.links import Link, links
from agent.store import Store

if TYPE_CHECKING:
    from agent.pki.authority import Root

DER = "application/pkix-cert"
PROFILE = "application/x-apple-aspen-config"
REISSUE, REPLACE = "REISSUE", "REPLACE"


class RootFormat(StrEnum):
    """Encoding of the root's certificate."""

    PEM = "pem"
    """RFC 7468; of a subordinate authority, with those above it."""
    DER = "der"
    """One certificate: the root."""
    MOBILECONFIG = "mobileconfig"
    """A profile that Apple's devices install."""


class Retyped(Input):
    """Word that confirms that what will break was read."""

    typed: str = Field(max_length=20, description=f'"{REISSUE}"')


class NewRoot(Given):
    """A root with its key: self-signed, or a company's subordinate authority with its parents."""


class Replacement(NewRoot):
    """The same, with the word that confirms that what will break was read."""

    typed: str = Field(max_length=20, description=f'"{REPLACE}"')


class RootQuery(Input):
    """Encoding."""

    format: RootFormat = RootFormat.PEM


@dataclass(frozen=True, slots=True)
class RootPage:
    """The root that signs, and those before it."""

    root: RootDetails
    earlier: tuple[RootDetails, ...]


@dataclass(frozen=True, slots=True)
class RootPreview:
    """A root that may be put into service, and what that would do."""

    subject: str
    sha256: str
    not_before: datetime
    not_after: datetime
    certificates: tuple[Link, ...]
    effects: RootEffects


@dataclass(frozen=True, slots=True)
class RootStarted(JobStarted):
    """Job that signs local chains again, by another root."""

    subject: str
    sha256: str
    not_after: datetime


def show(request: ApiRequest) -> ApiResponse:
    """Return all about the root. Raises `RootMissing`."""
    snapshot, _ = request.services.status(request.now)
    with Store.open_read_only(request.services.layout) as view:
        found = [root_details(snapshot, each) for each in view.roots.all()]
    present = [each for each in found if each.retired_at is None]
    if not present:
        raise RootMissing
    return ApiResponse(RootPage(present[0], tuple(each for each in found if each.retired_at is not None)))


def download(request: ApiRequest) -> ApiResponse:
    """Return the root's certificate. Raises `RootMissing`."""
    query: RootQuery = request.query
    with Store.open_read_only(request.services.layout) as view:
        record = view.roots.present()
    if record is None:
        raise RootMissing
    content, media_type, ending = _written(record, query.format)
    return ApiResponse(content, media_type=media_type, headers=attachment((record.subject,), ending))


def effects(request: ApiRequest) -> ApiResponse:
    """Say what another root would do, asking every module."""
    with request.services.looking_state() as state:
        return ApiResponse(root_effects(state))


def reissue(request: ApiRequest) -> ApiResponse:
    """Make a new root. Raises `ConfirmationWordMissing`."""
    _require(request.body.typed, REISSUE)
    job = new_job()
    with request.locked_state(job) as state:
        aim, root = root_aim(state), reissue_root(state)
    return _taken(request, job, root, aim, "root reissued")


def preview(request: ApiRequest) -> ApiResponse:
    """Say what a root is, and what it would do. Raises `UploadError`, `RootError` and `ChainError`."""
    root = _diagnose(request, request.body, request.services.inspections.preview)
    with request.locked_state() as state:
        found = upload_effects(state, root)
    certificates = tuple(links(root.pem().decode()))
    return ApiResponse(RootPreview(root.subject, root.sha256, root.not_before, root.not_after, certificates, found))


def replace(request: ApiRequest) -> ApiResponse:
    """Put an uploaded root into service. Raises `ConfirmationWordMissing`, and as `preview` does; `RootAlreadyPresent`."""
    _require(request.body.typed, REPLACE)
    root, job = _diagnose(request, request.body, request.services.inspections.take), new_job()
    with request.locked_state(job) as state:
        aim = root_aim(state)
        upload_root(state, root)
    return _taken(request, job, root, aim, "root replaced")


def _require(typed: str, word: str) -> None:
    if typed != word:
        raise ConfirmationWordMissing(word)


def _diagnose(request: ApiRequest, given: Given, through: Through) -> Root:
    from agent.inspection import inspect_root

    return through(inspect_root, given.input_files(), passphrase=given.secret, now=request.now)


def _taken(request: ApiRequest, job: str, root: Root, aim: Aim, action: str) -> ApiResponse:
    begin(request, job, action, root.subject, aim=aim)
    return started(RootStarted(job, root.subject, root.sha256, root.not_after))


def _written(record: RootRecord, form: RootFormat) -> tuple[bytes, str, str]:
    if form is RootFormat.PEM:
        return record.certificates.encode(), PEM, "pem"
    if form is RootFormat.DER:
        return _der(record), DER, "cer"
    from agent.api.mobileconfig import profile

    return profile(record, _der(record)), PROFILE, "mobileconfig"


def _der(record: RootRecord) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    from agent.pki.certificate import load_certificates

    return load_certificates(record.certificates.encode())[0].public_bytes(Encoding.DER)


ROUTES = (
    Route("GET", "/v1/root", Access.VIEWER, show, "Show the root that signs", RootPage, problems=(404,)),
    Route(
        "GET",
        "/v1/root/download",
        Access.PUBLIC,
        download,
        "Return the root's certificate, which is for everybody",
        query=RootQuery,
        media_types=(PEM, DER, PROFILE),
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/root/effects",
        Access.VIEWER,
        effects,
        "Say what another root would break, by name",
        RootEffects,
        pool=Pool.LOOK,
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/root/reissue",
        Access.ADMIN,
        reissue,
        "Make a new root, and sign the local chains again",
        RootStarted,
        202,
        body=Retyped,
        proof=Proof.PASSWORD,
        pool=Pool.CHANGE,
        problems=(422, 503),
    ),
    Route(
        "POST",
        "/v1/root/preview",
        Access.ADMIN,
        preview,
        "Say what a root is and what it would do, storing nothing",
        RootPreview,
        form=NewRoot,
        pool=Pool.CHANGE,
        problems=(409, 422, 503),
    ),
    Route(
        "POST",
        "/v1/root",
        Access.ADMIN,
        replace,
        "Replace the root, and sign the local chains again",
        RootStarted,
        202,
        form=Replacement,
        proof=Proof.PASSWORD,
        pool=Pool.CHANGE,
        problems=(409, 422, 503),
    ),
)
