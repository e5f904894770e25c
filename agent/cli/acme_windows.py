"""``chainwright acme closed``: a challenge window that a person has closed."""

from __future__ import annotations

import click

from agent.cli.commands import Invocation, command
from agent.cli.output import note


@command(
    "closed",
    example="""
$ chainwright acme closed 3f2ac551
The challenge window 3f2ac551 is closed, as you say: its command is not run again.
""",
)
@click.argument("window", metavar="ID")
@click.pass_obj
def closed(invocation: Invocation, window: str) -> None:
    """Say that the challenge window ID was closed by hand, as its command can't be run any more.

    The status names the windows that stay open, with their ids. What can be closed by its command is closed by itself.
    """
    from agent.operations.challenge_windows import forget_window

    with invocation.locked_state("acme closed") as state:
        forget_window(state, window)
    note(f"The challenge window {window} is closed, as you say: its command is not run again.")
