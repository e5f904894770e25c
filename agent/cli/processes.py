"""``chainwright run`` and ``demo``: commands that run until they are stopped."""

from __future__ import annotations

import click

from agent.cli.commands import Invocation, command


@command("run", example="\n$ chainwright run\n")
@click.pass_obj
def run(invocation: Invocation) -> int | None:
    """Run the agent: a pass at start, then whenever something is due or a change asks for one.

    Ends with SIGTERM; SIGHUP starts a pass.
    """
    from agent.daemon.supervisor import run as run_agent

    return run_agent(invocation.layout)


@command("demo", example="\n$ chainwright demo --root ./var --port 8443\n")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the web interface.  [default: 8443, or what it had]")
@click.pass_obj
def demo(invocation: Invocation, port: int | None) -> int | None:
    """Run an appliance for trying out: every service that is installed, on high ports, with an own root."""
    from agent.demo import demo as run_demo

    return run_demo(invocation.layout, port)
