"""``chainwright completion``: the script for a shell, and the names that it completes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command, invocation
from agent.cli.output import print_json
from agent.errors import AgentError

if TYPE_CHECKING:
    from agent.report import Snapshot

SHELLS = ("bash", "zsh", "fish")


@command("completion", example="\n$ chainwright completion bash >/etc/bash_completion.d/chainwright\n")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_obj
def completion(called: Invocation, shell: str) -> None:
    """Print the script that completes commands, options and names in a shell."""
    from click.shell_completion import get_completion_class

    from agent.cli.program import Program

    kind = get_completion_class(shell)
    assert kind is not None
    text = kind(Program(), {}, "chainwright", "_CHAINWRIGHT_COMPLETE").source()
    if called.as_json:
        print_json({"shell": shell, "script": text})
    else:
        click.echo(text)


def complete_modules(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Return the modules of the last pass."""
    snapshot = _snapshot(context)
    names = [record.name for record in snapshot.modules] if snapshot else []
    return [name for name in names if name.startswith(start)]


def complete_slots(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Return the slots of the module that was named before."""
    snapshot = _snapshot(context)
    needs = snapshot.needs if snapshot else ()
    slots = [need.slot for need in needs if need.module == context.params.get("module")]
    return [slot for slot in slots if slot.startswith(start)]


def complete_names(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Return the names of the chains."""
    snapshot = _snapshot(context)
    names = {name for record in snapshot.chains for name in record.names} if snapshot else set()
    return sorted(name for name in names if name.startswith(start))


def _snapshot(context: click.Context) -> Snapshot | None:
    """Read the store, if there is one: an error must not disturb a half-typed line."""
    from agent.report import read_snapshot

    found = invocation(context)
    try:
        return read_snapshot(found.layout, found.now())
    except AgentError:
        return None
