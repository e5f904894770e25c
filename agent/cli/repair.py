"""``chainwright repair``: a lost or damaged database is restored from a copy and from what is in service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agent.cli.commands import WAIT, Invocation, command
from agent.cli.exit_codes import DONE, DUE
from agent.cli.output import columns, note, print_json
from agent.errors.problem import rfc3339

if TYPE_CHECKING:
    from agent.store.recovery import Recovery
    from agent.store.set_aside import RowSetAside


@command(
    "repair",
    example="""
$ chainwright repair --dry-run
The database is damaged: file is not a database.
the copy of 2026-11-29T06:00:12+00:00 would be restored
2 chains that are in service would be taken in
""",
)
@click.option("--dry-run", is_flag=True, help="Say what is wrong and what would be restored, changing nothing.")
@click.option("--exit-code", is_flag=True, help="With --dry-run: exit with 10 when there is something to restore.")
@click.option("--rows", is_flag=True, help="List the damaged rows that passes have taken out of the database.")
@click.option("--wait", type=click.FloatRange(min=0), default=WAIT, show_default=True, help="Seconds for the lock.")
@click.pass_obj
def repair(invocation: Invocation, dry_run: bool, exit_code: bool, rows: bool, wait: float) -> int:
    """Restore a database that is lost or damaged: the newest good copy, and what is in service.

    A pass does it by itself. The damaged files are kept in /var/lib/chainwright/private/damaged/.
    """
    if exit_code and not dry_run:
        raise click.UsageError("--exit-code goes with --dry-run.")
    if rows:
        return _list(invocation)
    found = _repaired(invocation, dry_run, wait)
    if invocation.as_json:
        print_json({"recovery": _json(found), "dry_run": dry_run})
    elif found is None:
        click.echo("The database is whole.")
    else:
        _print(found, dry_run=dry_run)
    return DUE if found is not None and exit_code else DONE


def _repaired(invocation: Invocation, dry_run: bool, wait: float) -> Recovery | None:
    from agent.engine.bus import Bus
    from agent.engine.recovering import recover_and_tell
    from agent.store import Store
    from agent.store.recovery import diagnose, has_state
    from agent.store.recovery_preview import preview
    from agent.system.lock import held
    from agent.system.poke import poke
    from agent.system.replacement import Replacement

    layout, now = invocation.layout, invocation.now()
    if not has_state(layout):
        Store.open_read_only(layout).close()  # says why there is none
    if dry_run:
        with held(layout.lock, wait=wait, looking=True):
            return preview(layout, now)
    with held(layout.lock, wait=wait):
        Replacement(layout).finish()
        error = diagnose(layout)
        if error is None:
            return None
        found = recover_and_tell(layout, error, now, invocation.actor(), Bus())
    poke(layout)
    return found


def _print(found: Recovery, *, dry_run: bool) -> None:
    from agent.store.recovery import restored_rows

    click.echo(f"{found.reason}.")
    for line in found.refused:
        note(f"This copy is no good: {line}")
    for line in restored_rows(found):
        click.echo(line.replace(" was ", " would be ").replace(" were ", " would be ") if dry_run else line)
    note("Nothing was changed." if dry_run else "Do what is due now: chainwright apply")


def _json(found: Recovery | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "reason": found.reason,
        "copy": str(found.copy.path) if found.copy else None,
        "made_at": rfc3339(found.made_at) if found.made_at else None,
        "refused": found.refused,
        "chains": found.chains,
        "roots": found.roots,
        "accounts": found.accounts,
        "revocations": found.revocations,
        "aside": str(found.aside) if found.aside else None,
    }


def _list(invocation: Invocation) -> int:
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store:
        found = store.set_aside.all()
    if invocation.as_json:
        print_json({"rows": [_row_json(each) for each in found]})
    elif not found:
        click.echo("No row was taken out.")
    else:
        table = [[rfc3339(each.at), each.table, each.key, each.reason] for each in found]
        for line in columns([["AT", "TABLE", "ROW", "REASON"], *table]):
            click.echo(line)
    return DONE


def _row_json(each: RowSetAside) -> dict[str, Any]:
    return {
        "at": rfc3339(each.at),
        "table": each.table,
        "row": each.key,
        "reason": each.reason,
        "content": each.content,
    }
