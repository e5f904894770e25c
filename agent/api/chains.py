"""Routes of one chain: its details and its certificates."""

from __future__ import annotations

import re

from agent.api.access import Access
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Route
from agent.api.services import ApiServices
from agent.errors.usage import UnknownChain
from agent.model.records import ChainRecord
from agent.report import ChainRow
from agent.report.details import ChainDetails, chain_details
from agent.store import Store

PEM = "application/x-pem-file"
UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


def show(request: ApiRequest) -> ApiResponse:
    """Return all about a chain. Raises `UnknownChain`."""
    snapshot, found = request.services.status(request.now)
    row = _row(found.chains, request.path["id"])
    with Store.open_read_only(request.services.layout) as view:
        return ApiResponse(chain_details(snapshot, view, row, request.now))


def download(request: ApiRequest) -> ApiResponse:
    """Return a chain's certificates, leaf first. Raises `UnknownChain`."""
    record = known(request.services, request.path["id"])
    with Store.open_read_only(request.services.layout) as view:
        pem = view.chains.certificates(record.id)
    if pem is None:
        raise UnknownChain(record.id, ())
    return ApiResponse(pem.encode(), media_type=PEM, headers=attachment(record.names, "pem"))


def known(services: ApiServices, chain: str) -> ChainRecord:
    """Return what is known of a chain by its whole id. Raises `UnknownChain`."""
    with Store.open_read_only(services.layout) as view:
        found = view.chains.record(chain)
    if found is None:
        raise UnknownChain(chain, ())
    return found


def attachment(names: tuple[str, ...], ending: str) -> dict[str, str]:
    """Return the header by which a browser saves an answer as a file that is called after the first name."""
    first = names[0].replace("*", "wildcard") if names else "chain"
    return {"content-disposition": f'attachment; filename="{UNSAFE.sub("-", first).strip("-.") or "chain"}.{ending}"'}


def _row(rows: tuple[ChainRow, ...], chain: str) -> ChainRow:
    found = next((each for each in rows if each.id == chain), None)
    if found is None:
        raise UnknownChain(chain, ())
    return found


ROUTES = (
    Route("GET", "/v1/chains/{id}", Access.VIEWER, show, "Show all about a chain", ChainDetails, problems=(404,)),
    Route(
        "GET",
        "/v1/chains/{id}/download",
        Access.VIEWER,
        download,
        "Return the certificates of a chain, leaf first; never its key",
        media_types=(PEM,),
        problems=(404,),
    ),
)
