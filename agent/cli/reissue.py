"""``chainwright reissue`` and ``renew``: new chains on request."""

from __future__ import annotations

import click

from agent.cli.apply import perform, timeout_option
from agent.cli.commands import Invocation, command
from agent.cli.confirmation import consequence_lines
from agent.cli.output import note
from agent.errors.problem import rfc3339


@command(
    "reissue",
    example="""
$ chainwright reissue shop.example.com
shop.example.com: local delivered a chain until 2027-02-21
reverse_proxy: generation 5 is in service
Done: 2 actions.
""",
)
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Reissue every request.")
@click.option("--force", is_flag=True, help="Ask the CA even where a check beforehand says that it will refuse.")
@click.option("--new-key", is_flag=True, help='Never use the present key again, also where a module has key = "keep".')
@timeout_option()
@click.pass_obj
def reissue(
    invocation: Invocation, names: tuple[str, ...], everything: bool, force: bool, new_key: bool, timeout: float
) -> int:
    """Get a new chain for NAMES, with a new key unless its module keeps its key: from the highest source that can deliver.

    What a CA's limits hold back stays held back; --force leaves out only the checks of names, DNS and port 80.
    A good chain stays in service until the new one is there. A name that an uploaded chain serves keeps that one.
    """
    from agent.operations import reissue as operations

    if bool(names) == everything:
        raise click.UsageError("Name what to reissue, or say --all.")
    with invocation.locked_state("reissue", timeout=timeout) as state:
        for line in consequence_lines(operations.reissue_effects(state, names)):
            note(line)
        asked = operations.reissue(state, names, force=force, new_key=new_key)
    for name, chain in ((each.name, each.chain[:12]) for each in asked.kept):
        note(f"{name}: an uploaded chain serves it ({chain}); to go back to the other sources, delete that one.")
    return perform(invocation, timeout=timeout, aim=asked.aim)


@command(
    "renew",
    example="""
$ chainwright renew
Nothing to do. Next: in 20 days.
""",
)
@timeout_option()
@click.pass_obj
def renew(invocation: Invocation, timeout: float) -> int:
    """Renew what is due, and try at once again what has failed: sources, and chains that a service didn't take."""
    from agent.operations.reissue import renewal, retry_failed

    with invocation.locked_state("renew", timeout=timeout) as state:
        found = renewal(state)
        retry_failed(state)
    if not found.aim.slots:
        until = f" before {rfc3339(found.next_at)}" if found.next_at else ""
        note(f"Nothing is renewed: no chain is due{until}, and nothing has failed.")
    return perform(invocation, timeout=timeout, aim=found.aim)
