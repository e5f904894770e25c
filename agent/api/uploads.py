"""Uploading a chain: looked at first, then stored, then deployed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, WithJsonSchema

from agent.api.access import Access
from agent.api.chains import known
from agent.api.jobs import JobStarted, begin, started
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Lane, Route
from agent.errors.operations import NotDeletable, OperationError
from agent.errors.problem import Problem
from agent.report.links import Link, links

if TYPE_CHECKING:
    from agent.inspection import Diagnosis, InputFile
    from agent.operations.operations import Switch

UPLOADED = "uploaded"
MOST_FILES = 20
LONGEST_PASTE = 1024 * 1024
LONGEST_PASSPHRASE = 1024
PASTED = "pasted text"

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
File = Annotated[tuple[str, bytes], WithJsonSchema(BINARY)]
"""Name and content."""


class Given(Input):
    """What somebody gives of a chain or a root: PEM in any order, DER, PKCS#7 or PKCS#12."""

    files: tuple[File, ...] = Field((), max_length=MOST_FILES)
    paste: str = Field("", max_length=LONGEST_PASTE, repr=False)
    passphrase: str = Field("", max_length=LONGEST_PASSPHRASE, repr=False)

    def pieces(self) -> list[InputFile]:
        """Return its files for the inspection."""
        from agent.inspection import InputFile

        pasted = [InputFile(PASTED, self.paste.encode())] if self.paste.strip() else []
        return [*(InputFile(name, content) for name, content in self.files), *pasted]

    @property
    def secret(self) -> bytes | None:
        """The passphrase of an encrypted key or a PKCS#12 file."""
        return self.passphrase.encode() or None


class Upload(Given):
    """A chain, and what is to become of it."""

    for_name: str = Field("", max_length=253, alias="for", description="refuse the chain unless it covers this name")
    replace: str = Field(
        "", max_length=64, description="id of an uploaded chain that is deleted once this one is stored"
    )
    keep_unused: bool = Field(False, description="keep it though no module needs it")


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One remark of the inspection."""

    level: str
    """ok, note or warning."""
    sentence: str
    """Without a full stop."""


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """One need whose chain changes."""

    module: str
    slot: str
    before: str | None
    after: str | None
    """Ids of the chains."""
    reason: str


@dataclass(frozen=True, slots=True)
class UploadPreview:
    """What an upload would do; nothing is stored."""

    id: str
    names: tuple[str, ...]
    issuer: str
    key_type: str
    not_before: datetime
    not_after: datetime
    """The earliest end over leaf and intermediates."""
    certificates: tuple[Link, ...]
    """Leaf, intermediates, and the root where it is known."""
    findings: tuple[FindingRow, ...]
    switches: tuple[SwitchRow, ...]
    refusal: Problem | None
    """Why it would not be stored as it was asked: nobody needs it, it doesn't cover the name, or it is there already."""


@dataclass(frozen=True, slots=True)
class UploadStarted(JobStarted):
    """The chain is stored."""

    chain: str
    """Its id."""


def preview(request: ApiRequest) -> ApiResponse:
    """Say what an upload would do. Raises `UploadError` and `ChainError`."""
    upload: Upload = request.body
    diagnosis = _diagnose(request, upload)
    switches: list[Switch] = []
    refusal = None
    try:
        switches = request.services.operations().preview(
            diagnosis.chain, for_name=upload.for_name, keep_unused=upload.keep_unused
        )
    except OperationError as error:
        refusal = error.problem
    return ApiResponse(_preview(diagnosis, switches, refusal))


def store(request: ApiRequest) -> ApiResponse:
    """Store an upload, and have it deployed. Raises `UploadError`, `ChainError` and `OperationError`."""
    upload: Upload = request.body
    diagnosis = _diagnose(request, upload)
    old = known(request.services, upload.replace) if upload.replace else None
    if old is not None and old.source != UPLOADED:
        raise NotDeletable(old.id, old.source)
    operations = request.services.operations()
    operations.upload(diagnosis.chain, for_name=upload.for_name, keep_unused=upload.keep_unused)
    if old is not None:
        operations.delete(old.id, confirmed=True)
    subject = ", ".join(diagnosis.names[:3])
    detail = f"{diagnosis.chain.id}, instead of {old.id}" if old else diagnosis.chain.id
    return started(UploadStarted(begin(request, "chain uploaded", subject, detail=detail), diagnosis.chain.id))


def switch_rows(switches: list[Switch]) -> tuple[SwitchRow, ...]:
    """Return what switches as it is answered."""
    return tuple(SwitchRow(each.module, each.slot, each.before, each.after, each.reason) for each in switches)


def _diagnose(request: ApiRequest, upload: Upload) -> Diagnosis:
    from agent.inspection import diagnose
    from agent.operations.known_anchors import known_anchors

    anchors = known_anchors(request.services.layout)
    return diagnose(upload.pieces(), passphrase=upload.secret, anchors=anchors, now=request.now)


def _preview(diagnosis: Diagnosis, switches: list[Switch], refusal: Problem | None) -> UploadPreview:
    from agent.pki.encoding import Part, encode

    chain = diagnosis.chain
    return UploadPreview(
        id=chain.id,
        names=chain.names,
        issuer=chain.issuer,
        key_type=str(chain.key_type),
        not_before=chain.usable_from,
        not_after=chain.usable_until,
        certificates=tuple(links(encode(chain, [Part.FULLCHAIN, Part.ROOT]).decode())),
        findings=tuple(FindingRow(str(each.level), each.sentence) for each in diagnosis.remarks),
        switches=switch_rows(switches),
        refusal=refusal,
    )


ROUTES = (
    Route(
        "POST",
        "/v1/uploads/preview",
        Access.ADMIN,
        preview,
        "Say what an upload would do, storing nothing",
        UploadPreview,
        form=Upload,
        lane=Lane.CHANGE,
        problems=(422, 503),
    ),
    Route(
        "POST",
        "/v1/uploads",
        Access.ADMIN,
        store,
        "Store a chain and have it deployed",
        UploadStarted,
        202,
        form=Upload,
        lane=Lane.CHANGE,
        problems=(404, 409, 422, 503),
    ),
)
