"""``chainwright import``: what other ACME clients have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.commands import WAIT, Invocation, command
from agent.cli.confirmation import switch_lines
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.output import note, print_json
from agent.cli.words import counted, shortened
from agent.report.rows import plain

if TYPE_CHECKING:
    from agent.errors import Problem
    from agent.operations.imported_accounts import AccountImport
    from agent.operations.importing import Import, Imported
    from agent.operations.lineages.lineage import Client

DIRECTORY = click.Path(file_okay=False, exists=True, path_type=Path)
CLIENTS = ("acme.sh", "caddy", "certbot", "dehydrated", "lego")


@command(
    "import",
    example="""
$ chainwright import certbot /etc/letsencrypt --dry-run
shop.example.com: 3f2ac5519d0e, shop.example.com +1, until 2027-02-21; renewed by acme
    reverse_proxy/shop.example.com: acme
account at Let's Encrypt: https://acme-v02.api.letsencrypt.org/acme/acct/1234567, taken over
To end the renewals of certbot: systemctl disable --now certbot.timer
1 lineage and 1 account of certbot. Nothing was changed.
""",
)
@click.argument("client", type=click.Choice(CLIENTS))
@click.argument("directory", type=DIRECTORY)
@click.option("--dry-run", is_flag=True, help="Say what would be taken and what would serve it, storing nothing.")
@click.pass_obj
def import_(invocation: Invocation, client: str, directory: Path, dry_run: bool) -> int:
    """Take over chains and account of another ACME client: what serves goes on, and renewals are made here.

    Chains are judged as any upload. The other client's files are left as they are, and so is what renews them: the command
    that ends it is printed.
    """
    from agent.cli.apply import perform
    from agent.engine.engine import Engine
    from agent.operations.importing import import_from
    from agent.operations.lineages.clients import CLIENTS

    engine = Engine(invocation.layout, who="chainwright import")
    made = import_from(
        engine, CLIENTS[client], directory.absolute(), actor=invocation.actor(), dry_run=dry_run, wait=WAIT
    )
    for line in _lines(made, CLIENTS[client]):
        note(line)
    failed = any(each.problem for each in made.lineages)
    if not dry_run:
        code = perform(invocation, about=plain(made))
        return DEGRADED if failed else code
    if invocation.as_json:
        print_json(plain(made))
    lineages, accounts = counted(len(made.lineages), "lineage"), counted(len(made.accounts), "account")
    note(f"{lineages} and {accounts} of {client}. Nothing was changed.")
    return DEGRADED if failed else DONE


def _lines(made: Imported, client: Client) -> Iterator[str]:
    for lineage in made.lineages:
        yield from _of_lineage(lineage)
    for account in made.accounts:
        yield from _of_account(account)
    for each in made.stop:
        yield f"To end the renewals of {client.name}: {each}"
    if not made.stop:
        yield f"Nothing was found here that renews for {client.name}. Where it is installed as usual, this ends it: {client.stop}"
    if client.stopped_too:
        yield f"    {client.stopped_too}"


def _of_lineage(each: Import) -> Iterator[str]:
    if each.problem is not None:
        yield from _refused(each.name, each.problem)
        return
    about = f"{each.name}: {each.chain[:12]}, {shortened(each.names)}, until {each.not_after:%Y-%m-%d}"
    if each.known:
        yield f"{about}; it is here already"
        return
    yield f"{about}; {_how(each)}"
    yield from [f"    {line}" for line in switch_lines(each.switches)] or ["    No module uses it now."]


def _how(each: Import) -> str:
    if each.source:
        return f"renewed by {each.source}"
    return f"kept as an upload{f', as {each.kept_as}' if each.kept_as else ''}"


def _of_account(each: AccountImport) -> Iterator[str]:
    about = f"account at {each.ca}: {each.url or 'its address is not known'}"
    if each.taken:
        yield f"{about}, taken over"
        if each.problem is not None:
            yield from (f"    {line}" for line in each.problem.lines())
    elif each.problem is not None:
        yield from _refused(about, each.problem)
    else:
        yield f"{about}; it is ours already"


def _refused(about: str, problem: Problem) -> Iterator[str]:
    first, *more = problem.lines()
    yield f"{about}: not taken: {first}"
    yield from more
