"""Conditions: findings that no other row tells, as passes have noted them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store.connection import Connection
from agent.store.instants import read, written
from agent.store.problems import read_problem, written_problem

COLUMNS = ("scope", "kind", "subject", "code", "severity", "title", "problem", "since")
INSERT = f"insert into conditions ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608


class Conditions:
    """The table `conditions`: by scope, as each is looked at as a whole."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def replace(self, scope: str, findings: Iterable[Finding], now: datetime) -> list[Finding]:
        """Keep `findings` in place of the last ones of `scope`; return those that are new.

        One that was there before keeps its `since`; a new one without any began at `now`. Where nothing differs, nothing
        is written.
        """
        before = {each.key: each for each in self.of(scope)}
        present = {each.key: _dated(each, before.get(each.key), now) for each in findings}
        if present != before:
            self._database.execute("delete from conditions where scope = ?", [scope])
            for each in present.values():
                self._database.execute(INSERT, _row(scope, each))
        return [each for key, each in present.items() if key not in before]

    def all(self) -> list[Finding]:
        """Return what was noted last in every scope."""
        query = "select * from conditions order by scope, kind, subject"
        return self._database.decoded("conditions", _finding, query)

    def of(self, scope: str) -> list[Finding]:
        """Return what was noted last in one scope."""
        query = "select * from conditions where scope = ?"
        return self._database.decoded("conditions", _finding, query, [scope])


def _dated(finding: Finding, before: Finding | None, now: datetime) -> Finding:
    return replace(finding, since=before.since if before else finding.since or now)


def _row(scope: str, finding: Finding) -> dict[str, Any]:
    return {
        "scope": scope,
        "kind": str(finding.kind),
        "subject": finding.subject,
        "code": finding.problem.code,
        "severity": str(finding.severity),
        "title": finding.title,
        "problem": written_problem(finding.problem),
        "since": written(finding.since),
    }


def _finding(row: dict[str, Any]) -> Finding:
    return Finding(
        kind=SubjectKind(row["kind"]),
        subject=row["subject"],
        severity=Severity(row["severity"]),
        problem=read_problem(row["problem"]) or Problem(row["code"], ""),
        since=read(row["since"]),
        title=row["title"],
    )
