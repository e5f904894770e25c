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
from agent.errors.root import RootMissing, RootUnknown
from agent.model.aim import Aim
from agent.model.root import RootPhase, RootRecord, cross_certificates, published_roots
from agent.operations.effects import RootEffects
from agent.operations.root import (
    is_beside,
    reissue_root,
    root_aim,
    root_effects,
    signing_date_of_next,
    upload_effects,
    upload_root,
    uploads_beside,
)
from agent.operations.uploads import Through
from agent.report.cross_certificates import cross_pem
from agent.report.details import RootDetails, root_details
from agent.report.links import Link, links
from agent.store import Store

if TYPE_CHECKING:
    from agent.pki.authority import Root

DER = "application/pkix-cert"
PROFILE = "application/x-apple-aspen-config"
REISSUE, REPLACE = "REISSUE", "REPLACE"
AT_ONCE = "sign with it at once, without an overlap in which clients are given it"


class RootFormat(StrEnum):
    """Encoding of the root's certificate."""

    PEM = "pem"
    """RFC 7468; of a subordinate authority, with those above it."""
    DER = "der"
    """One certificate: the root."""
    MOBILECONFIG = "mobileconfig"
    """A profile that Apple's devices install."""
    CROSS = "cross"
    """PEM: certificates of the roots by each other, for who knows one of them alone. They are not for trusting."""


class Overlap(Input):
    """Which root is to be followed by another one, and whether there is an overlap."""

    now: bool = Field(False, description=AT_ONCE)
    of: str = Field("", max_length=64, description="SHA-256 of the root that it follows; empty: the main one")


class Retyped(Overlap):
    """The same, with the word that confirms that what will break was read."""

    typed: str = Field(max_length=20, description=f'"{REISSUE}"')


class NewRoot(Given):
    """A root with its key: self-signed, or a company's subordinate authority with its parents."""

    now: bool = Field(False, description=AT_ONCE)


class Replacement(NewRoot):
    """The same, with the word that confirms that what will break was read."""

    typed: str = Field(max_length=20, description=f'"{REPLACE}"')


class RootQuery(Input):
    """Encoding."""

    format: RootFormat = RootFormat.PEM
    of: str = Field("", max_length=64, description="SHA-256 of one root, in place of all that clients are to trust")


@dataclass(frozen=True, slots=True)
class RootPage:
    """The main root that signs, those that are believed beside it, and those before."""

    root: RootDetails
    earlier: tuple[RootDetails, ...]
    """Retired ones."""
    others: tuple[RootDetails, ...] = ()
    """The one that signs beside it for keys of its own kind, those that are prepared to sign next, and those that were replaced
    and are still believed."""
    crosses: bool = False
    """Whether there are certificates of the roots by each other to be had."""


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
    signs_at: datetime | None = None
    """When it begins to sign; None: at once."""


def show(request: ApiRequest) -> ApiResponse:
    """Return all about the root. Raises `RootMissing`."""
    snapshot, _ = request.services.status(request.now)
    with Store.open_read_only(request.services.layout) as view:
        found = [root_details(snapshot, each, request.now) for each in view.roots.all()]
        crosses = bool(cross_certificates(view.roots.all(), view.roots.crosses(), request.now))
    present = next((each for each in found if each.phase is RootPhase.SIGNING and not each.beside), None)
    if present is None:
        raise RootMissing
    earlier = [each for each in found if each.phase is RootPhase.RETIRED]
    others = [each for each in found if each.phase is not RootPhase.RETIRED and each is not present]
    return ApiResponse(RootPage(present, tuple(earlier), tuple(others), crosses))


def download(request: ApiRequest) -> ApiResponse:
    """Return the certificates of the roots that sign, and of those that will.

    Raises `RootMissing`, `RootUnknown` and `NoCrossCertificate`.
    """
    query: RootQuery = request.query
    with Store.open_read_only(request.services.layout) as view:
        roots, crosses = view.roots.all(), view.roots.crosses()
    found = [each for each in published_roots(roots) if each.sha256.startswith(query.of.lower())]
    if not found:
        raise RootUnknown(query.of) if query.of else RootMissing
    if query.format is RootFormat.CROSS:
        content, media_type, ending = cross_pem(roots, crosses, request.now).encode(), PEM, "cross.pem"
    else:
        content, media_type, ending = _written(found, query.format)
    return ApiResponse(content, media_type=media_type, headers=attachment((found[0].subject,), ending))


def effects(request: ApiRequest) -> ApiResponse:
    """Say what another root would do, asking every module. Raises `RootUnknown`."""
    query: Overlap = request.query
    with request.services.looking_state() as state:
        return ApiResponse(root_effects(state, at_once=query.now, beside=is_beside(state, query.of)))


def reissue(request: ApiRequest) -> ApiResponse:
    """Make a new root. Raises `ConfirmationWordMissing` and `RootUnknown`."""
    _require(request.body.typed, REISSUE)
    job, now = new_job(), request.body.now
    with request.locked_state(job) as state:
        beside = is_beside(state, request.body.of)
        at = signing_date_of_next(state, at_once=now, beside=beside)
        aim = None if at else root_aim(state, beside=beside)
        root = reissue_root(state, at_once=now, beside=beside)
    return _taken(request, job, root, aim, "root reissued", at)


def preview(request: ApiRequest) -> ApiResponse:
    """Say what a root is, and what it would do. Raises `UploadError`, `RootError` and `ChainError`."""
    root = _diagnose(request, request.body, request.services.inspections.preview)
    with request.locked_state() as state:
        found = upload_effects(state, root, at_once=request.body.now)
    certificates = tuple(links(root.pem().decode()))
    return ApiResponse(RootPreview(root.subject, root.sha256, root.not_before, root.not_after, certificates, found))


def replace(request: ApiRequest) -> ApiResponse:
    """Put an uploaded root into service. Raises `ConfirmationWordMissing`, and as `preview` does; `RootAlreadyPresent`."""
    _require(request.body.typed, REPLACE)
    root, job = _diagnose(request, request.body, request.services.inspections.take), new_job()
    with request.locked_state(job) as state:
        beside = uploads_beside(state, root)
        at = signing_date_of_next(state, at_once=request.body.now, beside=beside)
        aim = None if at else root_aim(state, beside=beside)
        upload_root(state, root, at_once=request.body.now)
    return _taken(request, job, root, aim, "root replaced", at)


def _require(typed: str, word: str) -> None:
    if typed != word:
        raise ConfirmationWordMissing(word)


def _diagnose(request: ApiRequest, given: Given, through: Through) -> Root:
    from agent.inspection import inspect_root

    return through(inspect_root, given.input_files(), passphrase=given.secret, now=request.now)


def _taken(request: ApiRequest, job: str, root: Root, aim: Aim | None, action: str, at: datetime | None) -> ApiResponse:
    begin(request, job, action, root.subject, aim=aim)
    return started(RootStarted(job, root.subject, root.sha256, root.not_after, at))


def _written(records: list[RootRecord], form: RootFormat) -> tuple[bytes, str, str]:
    if form is RootFormat.PEM:
        return "".join(each.certificates for each in records).encode(), PEM, "pem"
    if form is RootFormat.DER:
        return _der(records[0]), DER, "cer"
    from agent.api.mobileconfig import profile

    return profile([(each, _der(each)) for each in records]), PROFILE, "mobileconfig"


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
        "Return the certificates of the roots that sign, and of the next ones, which are for everybody",
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
        query=Overlap,
        pool=Pool.LOOK,
        problems=(404, 503),
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
        problems=(404, 422, 503),
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
