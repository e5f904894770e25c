"""``chainwright api``: the process of the local API, which the agent starts."""

from __future__ import annotations

import click

from agent.cli.commands import Command, Invocation


@click.command("api", cls=Command, hidden=True, example="\n$ chainwright api --fd 3 --web-uid 998\n")
@click.option("--fd", type=click.IntRange(0), required=True, help="The listening socket, inherited.")
@click.option("--web-uid", "web", type=click.IntRange(0), multiple=True, help="Uid of the web interface.")
@click.pass_obj
def api(invocation: Invocation, fd: int, web: tuple[int, ...]) -> None:
    """Serve the local API on an inherited socket until it is idle."""
    from agent.api.starting import mark

    mark(invocation.layout)  # before anything that takes long to import
    import os
    import socket

    from agent.api.authentication import PeerProcesses
    from agent.api.process import serve
    from agent.api.services import ApiServices

    with socket.socket(fileno=fd) as listener:
        serve(ApiServices(invocation.layout, PeerProcesses(os.geteuid(), frozenset(web))), listener)
