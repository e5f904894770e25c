"""``chainwright webui token``: tokens, which programs use for the API instead of a password."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from agent.cli.accounts import opened_accounts
from agent.cli.commands import CommandGroup, Invocation
from agent.cli.confirmation import confirm_ending
from agent.cli.output import columns, note, print_json
from agent.errors.problem import rfc3339
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.auth import Token

ROLES = ("admin", "viewer")


@click.group("token", cls=CommandGroup, no_args_is_help=True, epilog="\b\nExample:\n  $ chainwright webui token list")
def token() -> None:
    """Tokens, which programs use for the API instead of a password."""


@token.command("create", example="\n$ chainwright webui token create monitoring --days 90\ncwt_...\n")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="Its role.")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="Its lifetime.")
@click.pass_obj
def create(invocation: Invocation, name: str, role: str, days: int) -> None:
    """Make a token and print it, once: it can't be shown again."""
    from agent.auth import Role
    from agent.auth.person import TokenMaker

    with opened_accounts(invocation) as accounts:
        now, maker = invocation.now(), TokenMaker(invocation.actor().name, None)
        text, made = accounts.make_token(name, Role(role), maker, now, timedelta(days=days))
    if invocation.as_json:
        print_json({"token": text, "id": made.id, "expires_at": rfc3339(made.expires_at)})
        return
    click.echo(text)
    note(f"{made.id}: good until {rfc3339(made.expires_at)}; this text is not kept anywhere.")


@token.command("list", example="\n$ chainwright webui token list\nID        NAME        ROLE    ENDS        USED\n")
@click.pass_obj
def listed(invocation: Invocation) -> None:
    """List the tokens, without their texts."""
    now = invocation.now()
    with opened_accounts(invocation) as accounts:
        found = accounts.tokens()
    if invocation.as_json:
        shown = ("id", "name", "role", "made_by")
        instants = ("made_at", "expires_at", "used_at")
        rows = [
            {each: getattr(row, each) for each in shown}
            | {each: rfc3339(at) if (at := getattr(row, each)) else None for each in instants}
            for row in found
        ]
        print_json({"tokens": rows})
        return
    table = [
        [
            each.id,
            each.name,
            str(each.role),
            when(each.expires_at, now),
            when(each.used_at, now) if each.used_at else "-",
        ]
        for each in found
    ]
    for line in columns([["ID", "NAME", "ROLE", "ENDS", "USED"], *table]):
        click.echo(line)


@token.command("revoke", example="\n$ chainwright webui token revoke 5f0c12aa\n")
@click.argument("identifier", metavar="ID")
@click.option("--yes", is_flag=True, help="Don't ask; for scripts.")
@click.pass_obj
def revoke(invocation: Invocation, identifier: str, yes: bool) -> None:
    """Revoke a token, at once: who shows it is refused from then on."""
    with opened_accounts(invocation) as accounts:
        found = [each for each in accounts.tokens() if each.id == identifier]
        confirm_ending([_ends(each, invocation.now()) for each in found], given=yes)
        accounts.revoke_token(identifier)
    note(f"{identifier} is revoked.")


def _ends(token: Token, now: datetime) -> str:
    used = f"last used {when(token.used_at, now)}" if token.used_at else "never used"
    return f"The token {token.name} ends: made by {token.made_by}, role {token.role}, {used}."
