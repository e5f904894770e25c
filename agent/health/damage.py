"""Findings about a database that can't be read wholly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors.problem import Problem, rfc3339
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store.connection import DamagedRow
from agent.store.integrity import is_made_again

if TYPE_CHECKING:
    from agent.store.recovery import Recovery

RESTORE = "restore it from a backup"
FIXES = {
    "chains": "Have it read out of its certificates, or another one made: chainwright apply; or upload it: "
    "chainwright upload FILES",
    "roots": f"Have it read out of its certificate: chainwright apply; if that doesn't help, {RESTORE}",
    "people": "Set the password once more: chainwright webui password",
}
"""What helps where a pass doesn't."""
BY_ITSELF = "The next pass finds out or makes again what it tells: chainwright apply"
EFFECT = "What it tells of is left out, and everything else goes on."


def of_rows(rows: Iterable[DamagedRow], database: Path) -> Iterator[Finding]:
    """Yield a finding for each row that can't be decoded."""
    for row in rows:
        subject = f"{row.table} {'/'.join(str(each) for each in row.key)}"
        severity = Severity.WARNING if is_made_again(row) else Severity.ERROR
        title = f"database ({row.table})"
        yield Finding(SubjectKind.APPLIANCE, subject, severity, damaged_row(row, database), title=title)


def with_damage(noted: Sequence[Finding], rows: Iterable[DamagedRow], database: Path) -> tuple[Finding, ...]:
    """Return the findings that passes have noted, and the rows that could not be decoded just now."""
    known = {each.key: each for each in noted}
    found = [
        replace(each, since=known[each.key].since if each.key in known else None) for each in of_rows(rows, database)
    ]
    fresh = {each.key for each in found}
    return (*(each for each in noted if each.key not in fresh), *found)


def damaged_row(row: DamagedRow, database: Path) -> Problem:
    """Say which row can't be decoded."""
    key = "/".join(str(each) for each in row.key)
    return Problem(
        "status.damaged_row",
        f'The row "{key}" of the table {row.table} can\'t be read: {row.reason.rstrip(".")}.',
        str(database),
        BY_ITSELF if is_made_again(row) else FIXES.get(row.table, f"{RESTORE.capitalize()}."),
        EFFECT,
    )


def damaged_file(output: str, database: Path) -> Problem:
    """Say that SQLite finds the file damaged."""
    first = output.partition("\n")[0].rstrip(".")
    return Problem(
        "status.damaged_database",
        f"SQLite can't read the whole database: {first}.",
        str(database),
        "Check the disk, and see what can be restored: chainwright repair --dry-run",
        "What can be read is used, and what is served is not touched.",
        detail=output,
    )


def recovered(recovery: Recovery, database: Path) -> Problem:
    """Say that the database was lost or damaged, what was restored, and what is missing."""
    from agent.store.recovery import restored_rows  # a status is not to wait for it

    return Problem(
        "status.recovered",
        f"The database could not be used, and was restored: {'; '.join(restored_rows(recovery))}.",
        str(database),
        "Check the disk; what was damaged may be damaged again"
        if recovery.from_itself
        else "See who may log in, set passwords and make tokens again: chainwright webui list",
        f"{_missing(recovery)} What was in service is in service.",
        detail=recovery.reason,
    )


def _missing(recovery: Recovery) -> str:
    if recovery.left_out:
        return "What those told is missing: it is made or found out again, or was history."
    if recovery.from_itself:
        return "Nothing is missing."
    if recovery.made_at is not None:
        since = f"What was changed after {rfc3339(recovery.made_at)} is missing"
        return f"{since}: people, passwords, peer certificates, the audit record. Sessions and tokens have ended."
    return "People, tokens, pins, peer certificates, the audit record and uploads that are not in service are missing."
