"""What anybody may see: the chain of one's own connection, and what a browser needs to show pages."""

from __future__ import annotations

from starlette.responses import Response

from plugins.webui.connection_chain import chain_facts
from plugins.webui.request_context import Visit
from plugins.webui.tls import SlotChain


async def show(visit: Visit) -> Response:
    """Show the chain that this connection was given."""
    chain: SlotChain = visit.request.state.chain
    return visit.plain("connection.html.j2", chain=chain_facts(chain.certificates))


async def static(visit: Visit) -> Response:
    """Give a file that a page names."""
    found = visit.house.statics.answer(str(visit.request.path_params["name"]))
    return found or visit.plain("problem.html.j2", 404, problem=None, title_key="nowhere")
