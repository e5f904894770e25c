"""``chainwright api``: the process that answers the local API. The agent starts it; nobody types it."""

from __future__ import annotations

import click

from agent.cli.commands import Command, Invocation


@click.command("api", cls=Command, hidden=True, example="\n$ chainwright api --fd 3 --web-uid 998\n")
@click.option("--fd", type=click.IntRange(0), required=True, help="The listening socket, inherited.")
@click.option("--web-uid", "web", type=click.IntRange(0), multiple=True, help="Under which the web interface runs.")
@click.pass_obj
def api(invocation: Invocation, fd: int, web: tuple[int, ...]) -> None:
    """Answer the local API on an inherited socket until nobody asks any more."""
    import os
    import socket

    from agent.api.authentication import PeerProcesses
    from agent.api.process import serve
    from agent.api.services import ApiServices

    with socket.socket(fileno=fd) as listener:
        serve(ApiServices(invocation.layout, PeerProcesses(os.geteuid(), frozenset(web))), listener)
