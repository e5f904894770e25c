"""``chainwright acme`` and ``revoke``: account and limits at the CA, checks before an order, and revocation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from agent.cli.acme_outlook import failed_before, table_of_ways, way_row
from agent.cli.acme_records import answers_of, persist, show_records, tell_of_void_records
from agent.cli.acme_windows import closed
from agent.cli.apply import perform
from agent.cli.chain_names import chain_named
from agent.cli.commands import CommandGroup, Invocation, command
from agent.cli.confirmation import consequence_lines, switch_lines
from agent.cli.output import columns, note, print_json
from agent.errors.problem import rfc3339
from agent.errors.usage import ConfirmationFlagMissing, UnknownCa, WhichCa
from agent.system.spans import span, when

if TYPE_CHECKING:
    from datetime import datetime

    from agent.errors.source import SourceError
    from agent.operations.account_key import KeyChange
    from agent.registry.sources import SourceHandle
    from agent.sources.acme.account_admin import AccountAdmin
    from agent.sources.acme.limits import LimitUsage
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource

T = TypeVar("T")
ACME = "acme"
WOULD_FAIL = 3
"""Exit code: an order would fail."""
UNFINISHED = 3
"""Exit code: not every CA could be asked."""
GIVEN_UP = (
    "The account can't be used any more, so it is given up. The next order makes another one, "
    "which CAA records with accounturi have to name."
)
CA = click.option("--ca", metavar="NAME", help="Only the one of the [[acme]] tables that is called so.")
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
@CA
@click.pass_obj
def account(invocation: Invocation, register: bool, ca: str | None) -> None:
    """Show the account: its URL is what accounturi in a CAA record names (RFC 8657)."""
    with _cas(invocation, ca) as cas:
        found = _of_each(cas, lambda admin: admin.registered() if register else admin.account())
    for account in found.values() if register else ():
        if account:
            _note(invocation, "account registered", account.url)
    rows = {each: _account_rows(each, account) for each, account in found.items()}
    texts = {
        each: {"directory": each.source.directory_url, "thumbprint": each.thumbprint, "account": _row(account)}
        for each, account in found.items()
    }
    _show(invocation, texts, {each: columns(lines) for each, lines in rows.items()})


def _account_rows(ca: ConfiguredCa, found: Account | None) -> list[list[str]]:
    rows = [["directory", ca.source.directory_url], ["account", found.url if found else "none yet"]]
    rows.append(["thumbprint", ca.thumbprint])
    rows += [["contact", each] for each in (found.contact if found else ())]
    return rows + ([["terms", found.terms]] if found and found.terms else [])


@acme.command("rekey", example="\n$ chainwright acme rekey\nThe account is known by a new key.\n")
@CA
@click.pass_obj
def rekey(invocation: Invocation, ca: str | None) -> int:
    """Give the account a new key (RFC 8555 section 7.3.5), and deploy its thumbprint to the services.

    After a crash in the middle, run it again: it continues with the same key. An account that the CA refuses, because it was
    deactivated for example, is given up: the next order makes another one. One that the CA knows by an earlier key, as the
    settings named another CA since, gets the present one. Accounts at several CAs that share the key get the same new one; a
    CA that can't be asked gets it when this is run again.
    """
    from agent.model.aim import Aim
    from agent.operations.account_key import finish_key_change, key_changes
    from agent.operations.records import distrust_looks

    with _cas(invocation, ca) as chosen, _cas(invocation, None) as all_of_them:
        owner = _the_only([each.handle.key_owner for each in chosen], chosen)
        cas = [each for each in all_of_them if each.handle.key_owner == owner]
        void = {each.name: tell_of_void_records(invocation, each.name, new_key=True) for each in cas}
        with invocation.locked_state(ACME) as state:
            changes = key_changes(state, [each.handle for each in cas])
        done, failed = _rolled_over([each for each in cas if each.name in changes], changes)
    with invocation.locked_state(ACME) as state:
        finish_key_change(state, next(iter(changes.values())))
        distrust_looks(state, [name for name, is_known in done.items() if void[name] or not is_known])
    for name, is_known in done.items():
        if void[name] and is_known:
            with _cas(invocation, name) as (changed,):
                show_records(changed.admin.records(void[name]))
        note((f"{name}: " if len(cas) > 1 else "") + ("The account is known by a new key." if is_known else GIVEN_UP))
    for name, error in failed.items():
        note(f"{name}: {error.problem.cause} Finish it then: chainwright acme rekey --ca {name}")
    code = perform(invocation, aim=Aim())
    return code or (UNFINISHED if failed else 0)


def _rolled_over(
    cas: list[ConfiguredCa], changes: Mapping[str, KeyChange]
) -> tuple[dict[str, bool], dict[str, SourceError]]:
    """Have CAs know their accounts by other keys. Raises the error of the first where none does it."""
    from agent.errors.source import SourceError

    done, failed = dict[str, bool](), dict[str, SourceError]()
    for each in cas:
        try:
            with each.handle.naming_its_table():
                done[each.name] = each.admin.roll_over(changes[each.name].new, changes[each.name].earlier)
        except SourceError as error:
            failed[each.name] = error
    if not done:
        name, first = next(iter(failed.items()))
        if first.problem.retry_at:  # as of an order, which is tried again
            first.fix = (
                f"The change is not tried again by itself. Once the CA answers: chainwright acme rekey --ca {name}"
            )
        raise first
    return done, failed


@acme.command("deactivate", example="\n$ chainwright acme deactivate --yes\n")
@click.option("--yes", is_flag=True, help="It can't be undone; the next order makes another account.")
@CA
@click.pass_obj
def deactivate(invocation: Invocation, yes: bool, ca: str | None) -> None:
    """Deactivate the account, which can't be undone (RFC 8555 section 7.3.6). Chains that it has ordered stay good."""
    from agent.operations.records import distrust_looks

    _refuse_before_first_run(invocation)
    with _cas(invocation, ca) as cas:
        name = _the_only([each.name for each in cas], cas)
        tell_of_void_records(invocation, name)
        if not yes:
            raise ConfirmationFlagMissing("--yes")
        with cas[0].handle.naming_its_table():
            cas[0].admin.deactivate()
    with invocation.locked_state(ACME) as state:
        distrust_looks(state, [name])
    _note(invocation, "account deactivated", name)
    instead = "Take acme out of sources" if name == ACME else f"Take the table of {name} out of the settings"
    again = "chainwright acme rekey" + ("" if name == ACME else f" --ca {name}")
    note(f"The account is deactivated. {instead}, or set another directory; for another account there: {again}")


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
@CA
@click.pass_obj
def check(invocation: Invocation, names: tuple[str, ...], ca: str | None) -> int:
    """Check what an order for NAMES depends on: DNS, CAA, port 80 and the clock. Nothing is ordered.

    Exit code 3: the order would fail, at each CA where there are several.
    """
    from agent.engine.engine import Engine
    from agent.operations.records import look_soon
    from agent.system.names import parse_name

    wanted = [parse_name(name) for name in names]
    _refuse_before_first_run(invocation)
    with _cas(invocation, ca) as cas:
        seen = _of_each(cas, lambda admin: admin.look(wanted))
    look_soon(Engine(invocation.layout, who=f"chainwright {ACME}"), wanted)
    said = {
        each: [*map(each.handle.of_its_table, found.lines), *failed_before(invocation, each.name, wanted)]
        for each, found in seen.items()
    }
    texts = {
        each: {
            "names": wanted,
            "in_vain": found.would_fail,
            "findings": said[each],
            "methods": [way_row(way) for way in found.ways],
        }
        for each, found in seen.items()
    }
    _show(invocation, texts, {each: [*said[each], *table_of_ways(found)] for each, found in seen.items()})
    return WOULD_FAIL if all(found.would_fail for found in seen.values()) else 0


@acme.command(
    "limits",
    example="""
$ chainwright acme limits www.example.com
LIMIT                          USED  OF   IN      NEXT
new orders                     2     300  3 hours  now
""",
)
@click.argument("names", nargs=-1)
@CA
@click.pass_obj
def limits(invocation: Invocation, names: tuple[str, ...], ca: str | None) -> None:
    """Show how much of the CA's rate limits is used up, for an order of NAMES, and when the next is allowed."""
    from agent.system.names import parse_name

    now = invocation.now()
    _refuse_before_first_run(invocation)
    with _cas(invocation, ca) as cas:
        found = {each: each.admin.standing([parse_name(name) for name in names]) for each in cas}
    texts = {each: {"limits": [_limit(limit) for limit in of_it]} for each, of_it in found.items()}
    head = ["LIMIT", "USED", "OF", "IN", "NEXT"]
    rows = {each: [head, *(_limit_row(limit, now) for limit in of_it)] for each, of_it in found.items()}
    _show(invocation, texts, {each: columns(lines) for each, lines in rows.items()})


def _limit_row(each: LimitUsage, now: datetime) -> list[str]:
    allowed_at = when(each.next_at, now) if each.next_at else "now"
    return [each.limit, str(each.used), str(each.allowed), span(each.window), allowed_at]


acme.add_command(persist)
acme.add_command(closed)


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


@dataclass(frozen=True, eq=False)
class ConfiguredCa:
    """One of the [[acme]] tables, and what an administrator does about its CA."""

    handle: SourceHandle
    source: AcmeSource
    admin: AccountAdmin
    thumbprint: str
    """Of its account key."""

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.handle.name


@contextmanager
def _cas(invocation: Invocation, name: str | None) -> Iterator[list[ConfiguredCa]]:
    """Yield the CAs of the ladder in their order, at least one. Raises `UnknownCa`, `NotInLadder`."""
    from agent.engine.engine import Engine
    from agent.operations.sources import source_contexts
    from agent.sources.acme.account_admin import AccountAdmin

    engine = Engine(invocation.layout, who=f"chainwright {ACME}")
    with source_contexts(engine, lambda each: each.group == ACME, ACME) as found:
        cas = [
            ConfiguredCa(each, source, AccountAdmin(source, context, each.name), context.http01.thumbprint or "")
            for each, context in found
            for source in [cast("AcmeSource", each.source)]
            if name in {None, each.name}
        ]
        if not cas:
            raise UnknownCa(str(name), [each.name for each, _ in found])
        yield cas


def _of_each(cas: Sequence[ConfiguredCa], ask: Callable[[AccountAdmin], T]) -> dict[ConfiguredCa, T]:
    """Return what there is to say of each CA; one of several that can't be asked is told, and the others are asked."""
    asked = [(each.handle, functools.partial(ask, each.admin)) for each in cas]
    found, _ = answers_of(asked)
    return {each: found[each.name] for each in cas if each.name in found}


def _the_only(values: Sequence[str], cas: Sequence[ConfiguredCa]) -> str:
    """Return the value that all CAs have. Raises `WhichCa`."""
    if len(set(values)) > 1:
        raise WhichCa([each.name for each in cas])
    return values[0]


def _show(
    invocation: Invocation, texts: Mapping[ConfiguredCa, dict[str, Any]], lines: Mapping[ConfiguredCa, Sequence[str]]
) -> None:
    """Print what there is to say of each CA, with a heading where there are several."""
    if invocation.as_json:
        rows = [{"ca": each.name, **text} for each, text in texts.items()]
        print_json(rows[0] if len(rows) == 1 else {"cas": rows})
        return
    for number, (each, found) in enumerate(lines.items()):
        if len(lines) > 1:
            click.echo(("\n" if number else "") + f"{each.name}: {each.source.ca}")
        click.echo("\n".join(found))


def _row(found: Account | None) -> dict[str, Any] | None:
    from agent.sources.acme.messages import account_json

    return account_json(found) if found else None


def _limit(each: LimitUsage) -> dict[str, Any]:
    return {
        "limit": each.limit,
        "used": each.used,
        "allowed": each.allowed,
        "window_seconds": int(each.window.total_seconds()),
        "next_at": rfc3339(each.next_at) if each.next_at else None,
    }
