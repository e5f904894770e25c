"""Routes of uploads: preview, and store with a job that deploys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, WithJsonSchema

from agent.api.access import Access
from agent.api.jobs import JobStarted, begin, new_job, started
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.errors.operations import OperationError
from agent.operations.aims import aim_at
from agent.operations.effects import Switch
from agent.operations.uploads import Through, UploadPreview, check_upload, diagnose_upload, store_upload, upload_preview
from agent.planning.comparison import Outranked

if TYPE_CHECKING:
    from agent.inspection import Diagnosis, InputFile

MOST_FILES = 20
LONGEST_PASTE = 1024 * 1024
LONGEST_PASSPHRASE = 1024
PASTED = "pasted text"

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
File = Annotated[tuple[str, bytes], WithJsonSchema(BINARY)]
"""Name and content."""


class Given(Input):
    """Files or text of a chain or a root: PEM in any order, DER, PKCS#7 or PKCS#12."""

    files: tuple[File, ...] = Field((), max_length=MOST_FILES)
    paste: str = Field("", max_length=LONGEST_PASTE, repr=False)
    passphrase: str = Field("", max_length=LONGEST_PASSPHRASE, repr=False)

    def input_files(self) -> list[InputFile]:
        """Return what is to be inspected."""
        from agent.inspection import InputFile

        pasted = [InputFile(PASTED, self.paste.encode())] if self.paste.strip() else []
        return [*(InputFile(name, content) for name, content in self.files), *pasted]

    @property
    def secret(self) -> bytes | None:
        """The passphrase of an encrypted key or a PKCS#12 file."""
        return self.passphrase.encode() or None


class Upload(Given):
    """A chain, and how it is stored."""

    for_name: str = Field("", max_length=253, alias="for", description="refuse the chain unless it covers this name")
    replace: str = Field(
        "", max_length=64, description="id of an uploaded chain that is deleted once this one is stored"
    )
    keep_unused: bool = Field(False, description="keep it though no module needs it")


@dataclass(frozen=True, slots=True)
class UploadStarted(JobStarted):
    """Job that deploys a stored chain."""

    chain: str
    """Its id."""
    switches: tuple[Switch, ...]
    """Needs that get another chain."""
    outranked: tuple[Outranked, ...]
    """Needs that it could serve, and that another chain goes on serving."""


def preview(request: ApiRequest) -> ApiResponse:
    """Say what an upload would do. Raises `UploadError` and `ChainError`, and as `check_upload` does for `replace`."""
    upload: Upload = request.body
    diagnosis = _diagnose(request, upload, request.services.inspections.preview)
    try:
        with request.locked_state() as state:
            effects = check_upload(
                state,
                diagnosis.chain,
                for_name=upload.for_name,
                keep_unused=upload.keep_unused,
                replace=upload.replace,
            )
    except OperationError as error:
        return ApiResponse(upload_preview(diagnosis, refusal=error.problem))
    return ApiResponse(upload_preview(diagnosis, effects))


def store(request: ApiRequest) -> ApiResponse:
    """Store an upload, and have it deployed. Raises `UploadError`, `ChainError`, and as `store_upload` does."""
    upload: Upload = request.body
    diagnosis = _diagnose(request, upload, request.services.inspections.take)
    chain, job = diagnosis.chain, new_job()
    with request.locked_state(job) as state:
        effects = store_upload(
            state,
            chain,
            for_name=upload.for_name,
            keep_unused=upload.keep_unused,
            replace=upload.replace,
            warnings=diagnosis.warnings,
        )
    aim = aim_at([each for each in effects.switches if each.after == chain.id], chain.id)
    begin(request, job, "chain uploaded", ", ".join(chain.names[:3]), aim=aim)
    return started(UploadStarted(job, chain.id, effects.switches, effects.outranked))


def _diagnose(request: ApiRequest, upload: Upload, through: Through) -> Diagnosis:
    files, layout = upload.input_files(), request.services.layout
    return diagnose_upload(
        layout, files, passphrase=upload.secret, now=request.now, for_name=upload.for_name, through=through
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
        pool=Pool.CHANGE,
        problems=(404, 422, 503),
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
        pool=Pool.CHANGE,
        problems=(404, 409, 422, 503),
    ),
)
