"""What the root has signed for others, what it takes back, and its list of that for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from agent.api.access import Access
from agent.api.chains import PEM, attachment
from agent.api.consequences import ChainEffects, answered
from agent.api.jobs import JobStarted, begin, started
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Lane, Route
from agent.api.uploads import SwitchRow, switch_rows
from agent.errors.api import ConfirmationRequired
from agent.errors.root import ListMissing, PeerUnknown, RootMissing
from agent.model.peer import serial_of
from agent.pki.revocation import RevocationReason
from agent.report.peers import ListRow, PeerRow, list_row, peer_rows
from agent.store import Store

DER_CRL = "application/pkix-crl"
SERIAL = r"^[0-9A-Fa-f:]{1,80}$"


class ListFormat(StrEnum):
    """How a list of revoked certificates is written."""

    PEM = "pem"
    """RFC 7468."""
    DER = "der"
    """As a CRL distribution point gives it (RFC 5280 section 4.2.1.13)."""


class ListQuery(Input):
    """Whose list, in which form."""

    format: ListFormat = ListFormat.PEM
    of: str = Field("", max_length=64, description="SHA-256 of an earlier root; empty: the one that signs")


class Withdrawal(Input):
    """What the root is to take back."""

    serial: str = Field(pattern=SERIAL, description="serial number in hex, of a peer certificate or a local chain")
    reason: RevocationReason = RevocationReason.UNSPECIFIED
    confirmed: bool = Field(False, description="it can't be undone")


@dataclass(frozen=True, slots=True)
class PeerPage:
    """What the roots have signed for others, and the present one's list of what was taken back."""

    peers: tuple[PeerRow, ...]
    crl: ListRow | None


@dataclass(frozen=True, slots=True)
class WithdrawalEffects(ChainEffects):
    """Something that a root has signed, and what taking it back would do."""

    serial: str
    names: tuple[str, ...]
    peer: str
    """``module/label`` of a peer certificate; empty for a local chain."""
    switches: tuple[SwitchRow, ...]
    """Needs that get another chain."""


def listed(request: ApiRequest) -> ApiResponse:
    """Return every peer certificate."""
    with Store.open_read_only(request.services.layout) as view:
        present = view.roots.present()
        row = list_row(view, present.sha256) if present else None
        return ApiResponse(PeerPage(tuple(peer_rows(view, request.now)), row))


def download(request: ApiRequest) -> ApiResponse:
    """Return a peer certificate with what leads to the root, and the root. Raises `PeerUnknown`."""
    with Store.open_read_only(request.services.layout) as view:
        peer = view.peers.find(serial_of(request.path["id"]))
        if peer is None:
            raise PeerUnknown(request.path["id"])
        pem = view.peers.certificates(peer.sha256)
    return ApiResponse(pem.encode(), media_type=PEM, headers=attachment((peer.label,), "pem"))


def crl(request: ApiRequest) -> ApiResponse:
    """Return a root's list of what it has revoked. Raises `RootMissing`, `ListMissing`."""
    query: ListQuery = request.query
    with Store.open_read_only(request.services.layout) as view:
        root = next((each for each in view.roots.all() if _is_meant(each.sha256, each.retired_at, query.of)), None)
        found = view.revocations.lists().get(root.sha256) if root else None
    if root is None:
        raise RootMissing
    if found is None or not found.pem:
        raise ListMissing(root.subject)
    if query.format is ListFormat.DER:
        return ApiResponse(found.der, media_type=DER_CRL, headers=attachment((root.subject,), "crl"))
    return ApiResponse(found.pem.encode(), media_type=PEM, headers=attachment((root.subject,), "crl.pem"))


def _is_meant(sha256: str, retired_at: object, of: str) -> bool:
    return sha256 == of if of else retired_at is None


def effects(request: ApiRequest) -> ApiResponse:
    """Say what taking something back would do. Raises `PeerUnknown`."""
    found = request.services.revoker().preview(request.path["id"])
    rows = switch_rows(list(found.switches))
    return ApiResponse(WithdrawalEffects(*answered(found.answers), found.serial, found.names, found.peer, rows))


def revoke(request: ApiRequest) -> ApiResponse:
    """Take back what the root has signed. Raises `PeerUnknown`, and `ConfirmationRequired` with what would follow."""
    wish: Withdrawal = request.body
    found = request.services.revoker().preview(wish.serial)
    if not wish.confirmed:
        lines = [f"{each.sentence} ({module})" for module, each in found.answers.consequences]
        raise ConfirmationRequired([*lines, *(f"{each.module}/{each.slot}: {each.reason}" for each in found.switches)])
    words = ("root", "revoke", found.serial, "--reason", str(wish.reason), "--yes")
    subject = found.peer or ", ".join(found.names[:3])
    return started(JobStarted(begin(request, "revoke", subject, words, f"{found.serial}, {wish.reason}")))


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
        "Say what taking back something that the root has signed would do",
        WithdrawalEffects,
        lane=Lane.CHANGE,
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
        body=Withdrawal,
        lane=Lane.CHANGE,
        problems=(404, 422, 503),
    ),
)
