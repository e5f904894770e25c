"""``chainwright webui audit``: the audit record, and whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command
from agent.cli.exit_codes import DONE, FAILED
from agent.cli.output import columns, note, print_json
from agent.errors.problem import rfc3339

if TYPE_CHECKING:
    from agent.auth.person import Audit
    from agent.store import Store


@command("audit", example="\n$ chainwright webui audit --limit 3\n$ chainwright webui audit --verify\n")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Newest rows.")
@click.option("--verify", "asked", is_flag=True, help="Say whether a row was changed, removed or put in: exit code 1.")
@click.option("--accept", is_flag=True, help="Take the record as it is, with a row that says so, after you know why.")
@click.pass_obj
def audit(invocation: Invocation, limit: int, asked: bool, accept: bool) -> int:
    """Print the audit record: who changed what, from where, the newest first."""
    from agent.auth.audit_log import AuditLog
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store:
        if accept:
            _accept(store, invocation)
        elif asked:
            return _verify(store, invocation)
        else:
            _print(AuditLog(store).newest(limit), invocation.as_json)
    return DONE


def _print(found: list[Audit], as_json: bool) -> None:
    if as_json:
        keys = ("who", "address", "action", "subject", "detail", "times")
        print_json({"audit": [{"at": rfc3339(row.at), **{key: getattr(row, key) for key in keys}} for row in found]})
        return
    rows = [
        [rfc3339(row.at), row.who, row.address, _action(row), f"{row.subject} {row.detail}".rstrip()] for row in found
    ]
    for line in columns([["AT", "WHO", "FROM", "WHAT", "OF"], *rows]):
        click.echo(line)


def _action(row: Audit) -> str:
    return f"{row.action} ({row.times} times)" if row.times > 1 else row.action


def _verify(store: Store, invocation: Invocation) -> int:
    """Verify, and have the status say the same from now on. Raises `AuditBroken`."""
    from agent.auth.audit_verification import verify_store
    from agent.engine.audit_check import broken, note_verified

    found = verify_store(store)
    with store.write():
        note_verified(store, found, invocation.now())
    if invocation.as_json:
        print_json({"whole": found.whole, "rows": found.rows, "faults": list(found.faults), "ends": dict(found.ends)})
        return DONE if found.whole else FAILED
    for fault in found.faults:
        click.echo(fault)
    if not found.whole:
        raise broken(found.faults)
    click.echo(f"The audit record is whole: {found.rows} rows.")
    for series, end in sorted(found.ends.items()):
        click.echo(f"{series} ends with {end}")
    return DONE


def _accept(store: Store, invocation: Invocation) -> None:
    from agent.auth.audit_log import AuditLog
    from agent.auth.audit_verification import verify_store
    from agent.engine.audit_check import note_verified

    faults = verify_store(store).faults
    if faults:
        detail = f"{faults[0]}; {len(faults)} in all"
        with store.write():
            AuditLog(store).chain("record accepted", invocation.actor(), invocation.now(), detail)
            note_verified(store, verify_store(store), invocation.now())
    note("The audit record is taken as it is." if faults else "The audit record is whole; nothing was changed.")
