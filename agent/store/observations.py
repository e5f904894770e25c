"""States that services have told of themselves, and the commands that tell them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from agent.model.finding import Severity, SubjectKind
from agent.model.observed import ObservedState
from agent.store.connection import Connection
from agent.store.instants import read, written

COLUMNS = (
    *("kind", "owner", "subject", "state", "why", "severity", "fix"),
    *("mends", "since", "attempts", "tried_at", "retry_at", "said"),
)
INSERT = f"insert into observations ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608


class Observations:
    """The table `observations`, by owner. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> list[ObservedState]:
        """Return every state, by owner, in the order in which it was told."""
        query = "select * from observations order by kind, owner, rowid"
        return self._database.decoded("observations", _state, query)

    def replace(self, states: Sequence[ObservedState]) -> None:
        """Keep these in place of all of the last ones; where nothing differs, nothing is written."""
        if sorted(map(repr, self.all())) == sorted(map(repr, states)):
            return
        self._database.execute("delete from observations")
        for each in states:
            self._database.execute(INSERT, _row(each))


def _row(state: ObservedState) -> dict[str, Any]:
    return {
        "kind": str(state.kind),
        "owner": state.owner,
        "subject": state.subject,
        "state": state.state,
        "why": state.why,
        "severity": str(state.severity) if state.severity else None,
        "fix": state.fix,
        "mends": int(state.mends),
        "since": written(state.since),
        "attempts": state.attempts,
        "tried_at": written(state.tried_at),
        "retry_at": written(state.retry_at),
        "said": state.said,
    }


def _state(row: dict[str, Any]) -> ObservedState:
    return ObservedState(
        kind=SubjectKind(row["kind"]),
        owner=row["owner"],
        subject=row["subject"],
        state=row["state"],
        why=row["why"],
        severity=Severity(row["severity"]) if row["severity"] else None,
        fix=row["fix"],
        mends=bool(row["mends"]),
        since=read(row["since"]),
        attempts=row["attempts"],
        tried_at=read(row["tried_at"]),
        retry_at=read(row["retry_at"]),
        said=row["said"],
    )


def written_commands(seconds: float, commands: Iterable[dict[str, Any]]) -> str:
    """Return what the daemon runs between two passes, as it is kept in `meta`."""
    return json.dumps({"seconds": seconds, "commands": list(commands)})
