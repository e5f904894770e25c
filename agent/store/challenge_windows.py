"""Ways to this machine that are open as long as a CA looks, each from before it is opened until it was closed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from agent.model.challenge_windows import OpenWindow
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.sealing import Sealer
from agent.store.values import texts, words

PLAIN = ("id", "by", "source", "request", "process", "seconds", "attempts", "failed")
COLUMNS = (*PLAIN, *("ports", "names", "argv", "sealed_environment", "at", "tried_at", "retry_at"))
PUT = f"insert or replace into challenge_windows ({', '.join(COLUMNS)}) values (:{', :'.join(COLUMNS)})"  # noqa: S608


class OpenWindows:
    """The table `challenge_windows`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def all(self) -> list[OpenWindow]:
        """Return every row, the oldest first."""
        return self._database.decoded(
            "challenge_windows", self._window, "select * from challenge_windows order by at, id, by"
        )

    def put(self, windows: Iterable[OpenWindow]) -> None:
        """Keep rows, in place of those of the same windows."""
        for each in windows:
            self._database.execute(PUT, self._row(each))

    def delete(self, windows: Iterable[OpenWindow]) -> None:
        """Forget rows."""
        for each in windows:
            self._database.execute("delete from challenge_windows where id = ? and by = ?", [each.id, each.by])

    def _row(self, each: OpenWindow) -> dict[str, Any]:
        plain = {column: getattr(each, column) for column in PLAIN}
        lists = {column: json.dumps(getattr(each, column)) for column in ("ports", "names", "argv")}
        instants = {column: written(getattr(each, column)) for column in ("at", "tried_at", "retry_at")}
        said = json.dumps(dict(each.environment)).encode()
        sealed = self._sealer.seal(said, _context(each.id, each.by)) if each.environment else None
        return {**plain, **lists, **instants, "seconds": int(each.seconds), "sealed_environment": sealed}

    def _window(self, row: dict[str, Any]) -> OpenWindow:
        return OpenWindow(
            **{column: row[column] for column in PLAIN},
            ports=tuple(int(each) for each in json.loads(row["ports"])),
            names=words(row["names"]),
            argv=words(row["argv"]),
            environment=self._environment(row),
            at=read_known(row["at"]),
            tried_at=read(row["tried_at"]),
            retry_at=read(row["retry_at"]),
        )

    def _environment(self, row: dict[str, Any]) -> Mapping[str, str]:
        """Return it; empty where it was sealed by the key of another database: the command is run all the same."""
        if row["sealed_environment"] is None:
            return {}
        try:
            return texts(self._sealer.open_value(row["sealed_environment"], _context(row["id"], row["by"])).decode())
        except ValueError:
            return {}


def _context(window: str, by: str) -> str:
    return f"environment of the window {window} of {by}"
