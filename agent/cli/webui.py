"""``chainwright webui``: the process of the web interface, its users, tokens and audit record."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.commands import CommandGroup, Invocation, json_option
from agent.cli.output import columns, note, print_json
from agent.errors.problem import rfc3339
from agent.errors.usage import PasswordNeeded
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.auth import Accounts, Role

ROLES = ("admin", "viewer")
SETTING_EXAMPLE = """
$ chainwright webui password
New password for admin:
$ chainwright webui password --one-time
8kfn-c2wd-hj7m-q4xs
"""


@click.group(
    "webui",
    cls=CommandGroup,
    invoke_without_command=True,
    epilog="\b\nExample:\n  $ chainwright webui\n  $ chainwright webui password",
)
@click.option("--listen", multiple=True, metavar="HOST:PORT", help="Instead of [modules.webui] listen; repeatable.")
@click.option("--pid-file", type=click.Path(dir_okay=False, path_type=Path), help="As in [services.webui] pid_file.")
@click.pass_context
def webui(context: click.Context, listen: tuple[str, ...], pid_file: Path | None) -> None:
    """Run the web interface, as a user of its own; with a command, manage its users and tokens.

    It reads nothing but what the agent has deployed to it: no settings, no store. SIGHUP takes the next generation.
    """
    if context.invoked_subcommand is not None:
        return
    from agent.cli.commands import invocation
    from agent.rendering.templates import built_in_directory
    from plugins.webui.process import run as run_webui

    layout = invocation(context).layout
    templates = [layout.templates / "webui", built_in_directory() / "webui"]
    run_webui(layout.module("webui"), templates, listen=[_address(each) for each in listen], pid_file=pid_file)


webui.params.append(json_option())  # an error of its own is then JSON too, as everywhere


def _address(text: str) -> tuple[str, int]:
    from agent.contract.fields import parse_listen

    try:
        found = parse_listen(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--listen") from error
    return found.host, found.port


@webui.command("users", example="\n$ chainwright webui users\nUSER   ROLE\nadmin  admin\n")
@click.pass_obj
def users(invocation: Invocation) -> None:
    """List the users of the web interface."""
    with _accounts(invocation) as accounts:
        found = accounts.all()
    if invocation.as_json:
        print_json(
            {"users": [{"user": each.name, "role": each.role, "must_change": each.must_change} for each in found]}
        )
        return
    rows = [[each.name, str(each.role), "one-time password" if each.must_change else ""] for each in found]
    for line in columns([["USER", "ROLE", ""], *rows]):
        click.echo(line)


@webui.command("password", example=SETTING_EXAMPLE)
@click.argument("user", default="admin")
@click.option("--role", type=click.Choice(ROLES), help="Of a user who is new.  [default: viewer; admin for admin]")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input, for scripts.")
@click.option("--one-time", is_flag=True, help="Print a password for one login within 24 hours, to be replaced there.")
@click.pass_obj
def password(invocation: Invocation, user: str, role: str | None, from_stdin: bool, one_time: bool) -> None:
    """Set the password of USER (default: admin) and end their sessions; a USER who is new is added.

    This works on the appliance itself even while logins are held back because too many have failed.
    """
    from agent.auth import Role

    if one_time and from_stdin:
        raise click.UsageError("--one-time makes the password itself: leave --stdin out.")
    of_new = Role(role or ("admin" if user == "admin" else "viewer"))
    if one_time:
        _print_one_time(invocation, user, of_new)
    else:
        _set_password(invocation, user, of_new, _typed(user, from_stdin))


def _set_password(invocation: Invocation, user: str, role: Role, chosen: str) -> None:
    with _accounts(invocation) as accounts:
        if any(each.name == user for each in accounts.all()):
            accounts.set_password(user, chosen, invocation.now())
        else:
            accounts.add(user, role, chosen, invocation.now())
        _record(accounts, invocation, "password set", user)
    note(f"{user}: the new password is in force, and sessions with the old one have ended.")


def _print_one_time(invocation: Invocation, user: str, role: Role) -> None:
    from agent.auth.accounts import ONE_TIME

    now = invocation.now()
    with _accounts(invocation) as accounts:
        made = accounts.one_time_password(user, now, role)
        _record(accounts, invocation, "one-time password made", user)
    ends = rfc3339(now + ONE_TIME)
    if invocation.as_json:
        print_json({"user": user, "one_time_password": made, "ends_at": ends})
        return
    click.echo(made)
    note(f"{user}: good for one login until {ends}, and another password is chosen there; sessions have ended.")


@webui.command("remove", example="\n$ chainwright webui remove ann\n")
@click.argument("user")
@click.pass_obj
def remove(invocation: Invocation, user: str) -> None:
    """Remove USER and end their sessions. The last administrator can't be removed."""
    with _accounts(invocation) as accounts:
        accounts.remove(user)
        _record(accounts, invocation, "user removed", user)
    note(f"{user} is removed, and their sessions have ended.")


@webui.group("token", cls=CommandGroup, no_args_is_help=True, epilog="\b\nExample:\n  $ chainwright webui token list")
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

    with _accounts(invocation) as accounts:
        now = invocation.now()
        text, made = accounts.make_token(name, Role(role), invocation.actor().name, now, timedelta(days=days))
        _record(accounts, invocation, "token made", name)
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
    with _accounts(invocation) as accounts:
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
@click.pass_obj
def revoke(invocation: Invocation, identifier: str) -> None:
    """Revoke a token, at once."""
    with _accounts(invocation) as accounts:
        accounts.revoke_token(identifier)
        _record(accounts, invocation, "token revoked", identifier)
    note(f"{identifier} is revoked.")


@webui.command("audit", example="\n$ chainwright webui audit --limit 3\n")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Newest rows.")
@click.pass_obj
def audit(invocation: Invocation, limit: int) -> None:
    """Print the audit record: who changed what, from where, the newest first."""
    with _accounts(invocation) as accounts:
        found = accounts.audits(limit)
    if invocation.as_json:
        keys = ("who", "address", "action", "subject", "detail")
        print_json({"audit": [{"at": rfc3339(row.at), **{key: getattr(row, key) for key in keys}} for row in found]})
        return
    rows = [[rfc3339(row.at), row.who, row.address, row.action, row.subject] for row in found]
    for line in columns([["AT", "WHO", "FROM", "WHAT", "OF"], *rows]):
        click.echo(line)


@contextmanager
def _accounts(invocation: Invocation) -> Iterator[Accounts]:
    from agent.auth import Accounts
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store:
        yield Accounts(store)


def _record(accounts: Accounts, invocation: Invocation, action: str, subject: str) -> None:
    from agent.auth.person import Audit

    actor = invocation.actor()
    accounts.audit(Audit(invocation.now(), actor.name, actor.address, action, subject))


def _typed(user: str, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise PasswordNeeded(user)
    return str(click.prompt(f"New password for {user}", hide_input=True, confirmation_prompt=True, err=True))
