"""``chainwright webui``: the process of the web interface, its users, tokens and audit record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.accounts import opened_accounts
from agent.cli.audit import audit
from agent.cli.commands import CommandGroup, Invocation, json_option
from agent.cli.confirmation import confirm_ending
from agent.cli.output import columns, note, print_json
from agent.cli.tokens import ROLES, token
from agent.cli.words import counted
from agent.errors.auth import UserRefused
from agent.errors.problem import rfc3339
from agent.errors.usage import PasswordNeeded

if TYPE_CHECKING:
    from agent.auth import Role, Token

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
    from agent.rendering.template_places import built_in_directory
    from plugins.webui.process import run as run_webui

    layout = invocation(context).layout
    templates = [layout.templates / "webui", built_in_directory() / "webui"]
    run_webui(layout.module("webui"), templates, listen=[_address(each) for each in listen], pid_file=pid_file)


webui.add_command(token)
webui.add_command(audit)
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
    with opened_accounts(invocation) as accounts:
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
@click.option("--yes", is_flag=True, help="Don't ask whether the tokens of USER may end; for scripts.")
@click.pass_obj
def password(invocation: Invocation, user: str, role: str | None, from_stdin: bool, one_time: bool, yes: bool) -> None:
    """Set the password of USER (default: admin) and end their sessions and tokens; a USER who is new is added.

    This works on the appliance itself even while logins are held back because too many have failed.
    """
    from agent.auth import Role

    if one_time and from_stdin:
        raise click.UsageError("--one-time makes the password itself: leave --stdin out.")
    _check_role(invocation, user, role)
    _confirm_end_of_tokens(invocation, user, given=yes)
    of_new = Role(role or ("admin" if user == "admin" else "viewer"))
    if one_time:
        _print_one_time(invocation, user, of_new)
    else:
        _set_password(invocation, user, of_new, _typed(user, from_stdin))


def _check_role(invocation: Invocation, user: str, role: str | None) -> None:
    """Raise `UserRefused` where somebody is to get another role by the way: that has a command of its own."""
    with opened_accounts(invocation) as accounts:
        present = [str(each.role) for each in accounts.all() if each.name == user]
    if role and present not in ([], [role]):
        raise UserRefused(
            user,
            f"there is one already, with the role {present[0]}",
            f"Give another role: chainwright webui role {user} {role}",
        )


def _set_password(invocation: Invocation, user: str, role: Role, chosen: str) -> None:
    with opened_accounts(invocation) as accounts:
        if any(each.name == user for each in accounts.all()):
            accounts.set_password(user, chosen, invocation.now())
        else:
            accounts.add(user, role, chosen, invocation.now())
    note(f"{user}: the new password is in force, and sessions with the old one have ended.")


def _print_one_time(invocation: Invocation, user: str, role: Role) -> None:
    from agent.auth.accounts import ONE_TIME

    now = invocation.now()
    with opened_accounts(invocation) as accounts:
        made = accounts.one_time_password(user, now, role)
    ends = rfc3339(now + ONE_TIME)
    if invocation.as_json:
        print_json({"user": user, "one_time_password": made, "ends_at": ends})
        return
    click.echo(made)
    note(f"{user}: good for one login until {ends}, and another password is chosen there; sessions have ended.")


@webui.command("remove", example="\n$ chainwright webui remove ann\n")
@click.argument("user")
@click.option("--yes", is_flag=True, help="Don't ask whether the tokens of USER may end; for scripts.")
@click.pass_obj
def remove(invocation: Invocation, user: str, yes: bool) -> None:
    """Remove USER and end their sessions and tokens. The last administrator can't be removed."""
    _confirm_end_of_tokens(invocation, user, given=yes)
    with opened_accounts(invocation) as accounts:
        accounts.remove(user)
    note(f"{user} is removed, and their sessions have ended.")


@webui.command("role", example="\n$ chainwright webui role ann viewer\n")
@click.argument("user")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--yes", is_flag=True, help="Don't ask whether tokens of USER may end; for scripts.")
@click.pass_obj
def change_role(invocation: Invocation, user: str, role: str, yes: bool) -> None:
    """Give USER another role; with a lesser one, their sessions end, and the tokens that may more."""
    from agent.auth import Role

    _confirm_end_of_tokens(invocation, user, given=yes, beyond=Role(role))
    with opened_accounts(invocation) as accounts:
        accounts.set_role(user, Role(role))
    note(f"{user} has the role {role}.")


def _confirm_end_of_tokens(invocation: Invocation, user: str, *, given: bool, beyond: Role | None = None) -> None:
    """Say which tokens end with what is about to be done to `user`, and ask. Raises `ConfirmationFlagMissing`."""
    with opened_accounts(invocation) as accounts:
        found = accounts.tokens_of(user, invocation.now(), beyond)
    confirm_ending([_ending(user, found)] if found else [], given=given)


def _ending(user: str, tokens: list[Token]) -> str:
    names = ", ".join(each.name for each in tokens)
    return f"{counted(len(tokens), 'token')} of {user} {'ends' if len(tokens) == 1 else 'end'}: {names}."


def _typed(user: str, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise PasswordNeeded(user)
    return str(click.prompt(f"New password for {user}", hide_input=True, confirmation_prompt=True, err=True))
