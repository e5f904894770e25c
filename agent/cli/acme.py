"""``chainwright acme`` and ``revoke``: account and limits at the CA, checks before an order, and revocation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import click

from agent.cli.acme_records import persist, show_records, tell_of_void_records
from agent.cli.apply import perform
from agent.cli.chain_names import chain_named
from agent.cli.commands import CommandGroup, Invocation, command
from agent.cli.confirmation import consequence_lines, switch_lines
from agent.cli.output import columns, note, print_json
from agent.errors.problem import rfc3339
from agent.errors.usage import ConfirmationFlagMissing
from agent.system.spans import span, when

if TYPE_CHECKING:
    from agent.sources.acme.account_admin import AccountAdmin
    from agent.sources.acme.challenges.check import Check, Way
    from agent.sources.acme.limits import LimitUsage
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource

ACME = "acme"
WOULD_FAIL = 3
"""Exit code: an order would fail."""
GIVEN_UP = (
    "The account can't be used any more, so it is given up. The next order makes another one, "
    "which CAA records with accounturi have to name."
)
REASONS = ("unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation")


@click.group(
    "acme", cls=CommandGroup, no_args_is_help=True, epilog="\b\nExample:\n  $ chainwright acme check www.example.com"
)
def acme() -> None:
    """Show and change the account at Let's Encrypt, or at another ACME CA."""


@acme.command(
    "account",
    example="""
$ chainwright acme account
directory   https://acme-v02.api.letsencrypt.org/directory
account     https://acme-v02.api.letsencrypt.org/acme/acct/1234567
thumbprint  mK3mIvWcW1M0mC8YbF8sXk2v1n8y0q9y5y1o3m7m2xA
""",
)
@click.option("--register", is_flag=True, help="Register the account now, where there is none; an order does so too.")
@click.pass_obj
def account(invocation: Invocation, register: bool) -> None:
    """Show the account: its URL is what accounturi in a CAA record names (RFC 8657)."""
    with _account_admin(invocation) as (source, admin, thumbprint):
        found = admin.registered() if register else admin.account()
    if register and found:
        _note(invocation, "account registered", found.url)
    if invocation.as_json:
        print_json({"directory": source.directory_url, "thumbprint": thumbprint, "account": _row(found)})
        return
    rows = [["directory", source.directory_url], ["account", found.url if found else "none yet"]]
    rows.append(["thumbprint", thumbprint])
    rows += [["contact", each] for each in (found.contact if found else ())]
    rows += [["terms", found.terms]] if found and found.terms else []
    for line in columns(rows):
        click.echo(line)


@acme.command("rekey", example="\n$ chainwright acme rekey\nThe account is known by a new key.\n")
@click.pass_obj
def rekey(invocation: Invocation) -> int:
    """Give the account a new key (RFC 8555 section 7.3.5), and deploy its thumbprint to the services.

    After a crash in the middle, run it again: it continues with the same key. An account that the CA refuses, because it was
    deactivated for example, is given up: the next order makes another one. One that the CA knows by an earlier key, as the
    settings named another CA since, gets the present one.
    """
    from agent.model.aim import Aim
    from agent.operations.account_key import finish_key_change, key_change

    with _account_admin(invocation) as (source, admin, _thumbprint):
        void = tell_of_void_records(invocation, ACME, new_key=True)
        with invocation.locked_state(ACME) as state:
            change = key_change(state, source)
        is_known = admin.roll_over(change.new, change.earlier)
    with invocation.locked_state(ACME) as state:
        finish_key_change(state, change)
    if void and is_known:
        with _account_admin(invocation) as (_, admin, _thumbprint):
            show_records(admin.records(void))
    note("The account is known by a new key." if is_known else GIVEN_UP)
    return perform(invocation, aim=Aim())


@acme.command("deactivate", example="\n$ chainwright acme deactivate --yes\n")
@click.option("--yes", is_flag=True, help="It can't be undone; the next order makes another account.")
@click.pass_obj
def deactivate(invocation: Invocation, yes: bool) -> None:
    """Deactivate the account, which can't be undone (RFC 8555 section 7.3.6). Chains that it has ordered stay good."""
    tell_of_void_records(invocation, ACME)
    if not yes:
        raise ConfirmationFlagMissing("--yes")
    with _account_admin(invocation) as (_, admin, _thumbprint):
        admin.deactivate()
    _note(invocation, "account deactivated", ACME)
    note(
        "The account is deactivated. Take acme out of sources, or set another directory; "
        "for another account there: chainwright acme rekey"
    )


@acme.command(
    "check",
    example="""
$ chainwright acme check www.example.com
Nothing was found that would keep the CA from issuing.
NAME             METHOD   OUTLOOK
www.example.com  http-01  works
""",
)
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def check(invocation: Invocation, names: tuple[str, ...]) -> int:
    """Check what an order for NAMES depends on: DNS, CAA, port 80 and the clock. Nothing is ordered.

    Exit code 3: the order would fail.
    """
    from agent.system.names import parse_name

    wanted = [parse_name(name) for name in names]
    _refuse_before_first_run(invocation)
    with _account_admin(invocation) as (_, admin, _thumbprint):
        seen = admin.look(wanted)
    if invocation.as_json:
        ways = [_way(each) for each in seen.ways]
        print_json({"names": wanted, "in_vain": seen.would_fail, "findings": list(seen.lines), "methods": ways})
    else:
        click.echo("\n".join([*seen.lines, *_table_of_ways(seen)]))
    return WOULD_FAIL if seen.would_fail else 0


@acme.command(
    "limits",
    example="""
$ chainwright acme limits www.example.com
LIMIT                          USED  OF   IN      NEXT
new orders                     2     300  3 hours  now
""",
)
@click.argument("names", nargs=-1)
@click.pass_obj
def limits(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Show how much of the CA's rate limits is used up, for an order of NAMES, and when the next is allowed."""
    from agent.system.names import parse_name

    now = invocation.now()
    _refuse_before_first_run(invocation)
    with _account_admin(invocation) as (_, admin, _thumbprint):
        found = admin.standing([parse_name(name) for name in names])
    if invocation.as_json:
        print_json({"limits": [_limit(each) for each in found]})
        return
    rows = [
        [
            each.limit,
            str(each.used),
            str(each.allowed),
            span(each.window),
            when(each.next_at, now) if each.next_at else "now",
        ]
        for each in found
    ]
    for line in columns([["LIMIT", "USED", "OF", "IN", "NEXT"], *rows]):
        click.echo(line)


acme.add_command(persist)


@command(
    "revoke",
    example="""
$ chainwright revoke shop.example.com --reason keyCompromise --yes
reverse_proxy/shop.example.com: local until acme delivers: it is being asked
Done: 3 actions.
""",
)
@click.argument("chain", metavar="CHAIN")
@click.option("--reason", type=click.Choice(REASONS), default=REASONS[0], show_default=True, help="Sent to the CA.")
@click.option("--yes", is_flag=True, help="It can't be undone.")
@click.pass_obj
def revoke(invocation: Invocation, chain: str, reason: str, yes: bool) -> int:
    """Have a chain revoked by its CA, stop serving it at once, and order a new one.

    CHAIN is one of its names, or the beginning of its id.
    """
    from agent.engine.engine import Engine
    from agent.operations.aims import aim_at
    from agent.operations.consequences import chain_effects
    from agent.operations.revocation import revoke_at_ca

    found = chain_named(invocation, chain)
    if not yes:
        with invocation.locked_state("revoke") as state:
            lines = [*consequence_lines(chain_effects(state, found)), *switch_lines(state.without(found))]
        for line in lines:
            note(line)
        raise ConfirmationFlagMissing("--yes")
    engine = Engine(invocation.layout, who="chainwright revoke")
    switches = revoke_at_ca(engine, found, reason, actor=invocation.actor())
    for line in [f"{found[:12]} is revoked.", *switch_lines(switches)]:
        note(line)
    return perform(invocation, aim=aim_at(switches, instead_of=(found,)))


def _note(invocation: Invocation, action: str, subject: str) -> None:
    """Write into the audit record what was done to the account."""
    from agent.auth.audit_log import AuditLog
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store, store.write():
        AuditLog(store).note(invocation.actor(), invocation.now(), action, subject)


def _refuse_before_first_run(invocation: Invocation) -> None:
    """Raise `NoStateYet`: who looks makes no database and no account key."""
    from agent.store import Store

    Store.open_read_only(invocation.layout).close()


@contextmanager
def _account_admin(invocation: Invocation) -> Iterator[tuple[AcmeSource, AccountAdmin, str]]:
    """Yield the source as it is configured, the administration of its account, and the account key's thumbprint."""
    from agent.engine.engine import Engine
    from agent.operations.sources import source_context
    from agent.sources.acme.account_admin import AccountAdmin

    with source_context(Engine(invocation.layout, who=f"chainwright {ACME}"), ACME) as (found, context):
        source = cast("AcmeSource", found.source)
        yield source, AccountAdmin(source, context), context.http01.thumbprint or ""


def _row(found: Account | None) -> dict[str, Any] | None:
    from agent.sources.acme.messages import account_json

    return account_json(found) if found else None


def _way(each: Way) -> dict[str, Any]:
    """Return a method of a name, and what is missing for it."""
    missing = {"why": each.obstacle.why, "fix": each.obstacle.fix} if each.obstacle else {}
    return {"name": each.name, "method": each.method, "works": not missing, **missing}


def _table_of_ways(seen: Check) -> list[str]:
    """Return per name the methods in the order in which they are tried."""
    rows = [row for each in seen.ways for row in _rows_of_way(each)]
    return columns([["NAME", "METHOD", "OUTLOOK"], *rows])


def _rows_of_way(each: Way) -> list[list[str]]:
    if each.obstacle is None:
        return [[each.name, each.method, "works"]]
    cure = [["", "", each.obstacle.fix]] if each.obstacle.fix else []
    return [[each.name, each.method, each.obstacle.why], *cure]


def _limit(each: LimitUsage) -> dict[str, Any]:
    return {
        "limit": each.limit,
        "used": each.used,
        "allowed": each.allowed,
        "window_seconds": int(each.window.total_seconds()),
        "next_at": rfc3339(each.next_at) if each.next_at else None,
    }
