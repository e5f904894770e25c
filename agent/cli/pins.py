"""``chainwright pin`` and ``unpin``: the uploaded chain that goes first for a need."""

from __future__ import annotations

import click

from agent.cli.apply import perform
from agent.cli.chain_names import chain_named
from agent.cli.commands import Invocation, command
from agent.cli.completion import complete_modules, complete_slots
from agent.cli.confirmation import switch_lines
from agent.cli.output import note
from agent.model.records import UPLOADED
from agent.operations.aims import aim_at


@command(
    "pin",
    example="""
$ chainwright pin web_auth default 3f2ac5519d0e
3f2ac5519d0e is pinned for web_auth/default.
web_auth/default: uploaded, covers portal.example.com, pinned
Done: 1 action.
""",
)
@click.argument("module", shell_complete=complete_modules)
@click.argument("slot", shell_complete=complete_slots)
@click.argument("chain")
@click.pass_obj
def pin(invocation: Invocation, module: str, slot: str, chain: str) -> int:
    """Have an uploaded CHAIN serve SLOT of MODULE whatever other uploads there are.

    CHAIN is its id, the beginning of it, or one of its names. A `pin` in the settings goes before this one.
    """
    from agent.operations.pins import pin as operation

    found = chain_named(invocation, chain, source=UPLOADED)
    with invocation.locked_state("pin") as state:
        switches = operation(state, module, slot, found)
    for line in [f"{found[:12]} is pinned for {module}/{slot}.", *switch_lines(switches)]:
        note(line)
    return perform(invocation, aim=aim_at(switches, found))


@command(
    "unpin",
    example="""
$ chainwright unpin web_auth default
The pin for web_auth/default is taken back.
Nothing to do. Next: in 20 days.
""",
)
@click.argument("module", shell_complete=complete_modules)
@click.argument("slot", shell_complete=complete_slots)
@click.pass_obj
def unpin(invocation: Invocation, module: str, slot: str) -> int:
    """Take the pin for SLOT of MODULE back: the newest fitting upload serves again."""
    from agent.operations.pins import unpin as operation

    with invocation.locked_state("unpin") as state:
        switches = operation(state, module, slot)
    for line in [f"The pin for {module}/{slot} is taken back.", *switch_lines(switches)]:
        note(line)
    before = tuple(each.before for each in switches if each.before)
    return perform(invocation, aim=aim_at(switches, instead_of=before))
