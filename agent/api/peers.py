"""Routes of peer certificates: list, download and revocation, and the root's public list of what it has revoked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from agent.api.access import Access, Proof
from agent.api.chains import PEM, attachment
from agent.api.jobs import JobStarted, begin, new_job, started
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.errors.api import ConfirmationRequired
from agent.model.task import Task, TaskKind
from agent.operations.effects import RevocationEffects
from agent.operations.peers import export_peer, find_peer, revocation_list
from agent.operations.revocation import revocation_effects
from agent.pki.revocation import RevocationReason
from agent.report.peers import ListRow, PeerRow, list_row, peer_rows
from agent.store import Store

DER_CRL = "application/pkix-crl"
SERIAL = r"^[0-9A-Fa-f:]{1,80}$"


class ListFormat(StrEnum):
    """Encoding of a list of revoked certificates."""

    PEM = "pem"
    """RFC 7468."""
    DER = "der"
    """As a CRL distribution point gives it (RFC 5280 section 4.2.1.13)."""


class ListQuery(Input):
    """Root of a list, and its encoding."""

    format: ListFormat = ListFormat.PEM
    of: str = Field("", max_length=64, description="SHA-256 of an earlier root; empty: the one that signs")


class RootRevocation(Input):
    """Certificate that the root is to revoke, and why."""

    serial: str = Field(pattern=SERIAL, description="serial number in hex, of a peer certificate or a local chain")
    reason: RevocationReason = RevocationReason.UNSPECIFIED
    confirmed: bool = Field(False, description="it can't be undone")


@dataclass(frozen=True, slots=True)
class PeerPage:
    """Certificates that the roots have signed for others, and the present root's list of what it has revoked."""

    peers: tuple[PeerRow, ...]
    crl: ListRow | None


def listed(request: ApiRequest) -> ApiResponse:
    """Return every peer certificate."""
    with Store.open_read_only(request.services.layout) as view:
        present = view.roots.present()
        row = list_row(view, present.sha256) if present else None
        return ApiResponse(PeerPage(tuple(peer_rows(view, request.now)), row))


def download(request: ApiRequest) -> ApiResponse:
    """Return a peer certificate with what leads to the root, and the root. Raises `PeerUnknown`."""
    with Store.open_read_only(request.services.layout) as view:
        peer = find_peer(view, request.path["id"])
        return ApiResponse(export_peer(view, peer), media_type=PEM, headers=attachment((peer.label,), "pem"))


def crl(request: ApiRequest) -> ApiResponse:
    """Return a root's list of what it has revoked. Raises `RootMissing`, `ListMissing`."""
    query: ListQuery = request.query
    with Store.open_read_only(request.services.layout) as view:
        found = revocation_list(view, query.of)
        (subject,) = [each.subject for each in view.roots.all() if each.sha256 == found.root]
    if query.format is ListFormat.DER:
        return ApiResponse(found.der, media_type=DER_CRL, headers=attachment((subject,), "crl"))
    return ApiResponse(found.pem.encode(), media_type=PEM, headers=attachment((subject,), "crl.pem"))


def effects(request: ApiRequest) -> ApiResponse:
    """Say what revoking something would do. Raises `PeerUnknown`."""
    with request.services.looking_state() as state:
        return ApiResponse(revocation_effects(state, request.path["id"]))


def revoke(request: ApiRequest) -> ApiResponse:
    """Revoke what the root has signed. Raises `PeerUnknown`, and `ConfirmationRequired` with its consequences."""
    body: RootRevocation = request.body
    with request.locked_state() as state:
        found = revocation_effects(state, body.serial)
    if not body.confirmed:
        lines = [f"{each.sentence} ({each.module})" for each in found.consequences]
        raise ConfirmationRequired([*lines, *(f"{each.module}/{each.slot}: {each.reason}" for each in found.switches)])
    task = Task(TaskKind.REVOKE_SIGNED, found.serial, str(body.reason))
    subject = found.peer or ", ".join(found.names[:3])
    request.note("revoke", subject, f"{found.serial}, {body.reason}")
    return started(begin(request, new_job(), "revoke", subject, task))


ROUTES = (
    Route("GET", "/v1/root/peers", Access.VIEWER, listed, "List what the root has signed for others", PeerPage),
    Route(
        "GET",
        "/v1/root/peers/{id}/download",
        Access.VIEWER,
        download,
        "Return the peer certificate with this serial number, what leads to the root, and the root",
        media_types=(PEM,),
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/root/crl",
        Access.PUBLIC,
        crl,
        "Return the root's list of what it has revoked, which is for everybody",
        query=ListQuery,
        media_types=(PEM, DER_CRL),
        problems=(404,),
    ),
    Route(
        "GET",
        "/v1/root/signed/{id}/effects",
        Access.VIEWER,
        effects,
        "Say what revoking something that the root has signed would do",
        RevocationEffects,
        pool=Pool.LOOK,
        problems=(404, 503),
    ),
    Route(
        "POST",
        "/v1/root/revoke",
        Access.ADMIN,
        revoke,
        "Revoke something that the root has signed: a peer certificate or a local chain",
        JobStarted,
        202,
        body=RootRevocation,
        proof=Proof.PASSWORD,
        pool=Pool.CHANGE,
        problems=(404, 422, 503),
    ),
)
