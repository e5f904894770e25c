"""``chainwright import``: what other ACME clients have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command
from agent.cli.confirmation import switch_lines
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.output import note, print_json
from agent.cli.words import shortened
from agent.operations.importing import CLIENTS, bring_in, candidates
from agent.report.rows import plain

if TYPE_CHECKING:
    from agent.operations.importing import Import

DIRECTORY = click.Path(file_okay=False, exists=True, path_type=Path)


@command(
    "import",
    example="""
$ chainwright import certbot /etc/letsencrypt --dry-run
shop.example.com: 3f2ac5519d0e, shop.example.com +1, until 2027-02-21
    reverse_proxy/shop.example.com: uploaded, covers shop.example.com
1 lineage of certbot. Nothing was changed.
""",
)
@click.argument("client", type=click.Choice(sorted(CLIENTS)))
@click.argument("directory", type=DIRECTORY)
@click.option("--dry-run", is_flag=True, help="Say what would be taken and what would serve it, storing nothing.")
@click.pass_obj
def import_(invocation: Invocation, client: str, directory: Path, dry_run: bool) -> int:
    """Take over the chains of another ACME client with their keys: what serves goes on, and renewals are made here.

    They are judged as any upload and kept like one. The other client's files are left as they are: turn its timer off.
    """
    from agent.cli.apply import perform

    found = candidates(invocation.layout, CLIENTS[client], directory.absolute(), invocation.now())
    with invocation.locked_state("import") as state:
        made = bring_in(state, found, dry_run=dry_run)
    for each in made:
        for line in _lines(each):
            note(line)
    failed = any(each.problem for each in made)
    if not dry_run:
        note(f"Turn the timer of {client} off: from now on its chains are renewed here.")
        code = perform(invocation, about={"lineages": plain(made)})
        return DEGRADED if failed else code
    if invocation.as_json:
        print_json({"lineages": plain(made)})
    note(f"{len(made)} {'lineage' if len(made) == 1 else 'lineages'} of {client}. Nothing was changed.")
    return DEGRADED if failed else DONE


def _lines(each: Import) -> list[str]:
    if each.problem is not None:
        return [
            f"{each.name}: not taken: {line}" if index == 0 else line for index, line in enumerate(each.problem.lines())
        ]
    about = f"{each.name}: {each.chain[:12]}, {shortened(each.names)}, until {each.not_after:%Y-%m-%d}"
    if each.known:
        return [f"{about}; it is here already"]
    uses = [f"    {line}" for line in switch_lines(each.switches)]
    return [about, *(uses or ["    No module uses it now."])]
