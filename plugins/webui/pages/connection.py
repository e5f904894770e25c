"""Pages without a login: the chain of the browser's connection, and the files of the pages."""

from __future__ import annotations

from starlette.responses import Response

from plugins.webui.connection_chain import chain_facts
from plugins.webui.request_context import RequestContext
from plugins.webui.tls import SlotChain


async def show(request: RequestContext) -> Response:
    """Show the chain that this connection was given."""
    chain: SlotChain = request.request.state.chain
    return request.plain("connection.html.j2", chain=chain_facts(chain.certificates))


async def static(request: RequestContext) -> Response:
    """Give a file that a page names."""
    found = request.app_state.statics.answer(str(request.request.path_params["name"]))
    return found or request.plain("problem.html.j2", 404, problem=None, title_key="nowhere")
