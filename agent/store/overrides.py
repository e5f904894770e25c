"""What built-in templates were when somebody began to override them."""

from __future__ import annotations

from collections.abc import Iterable

from agent.model.override import OverrideBase
from agent.store.connection import Connection
from agent.store.instants import read_known, written


class Overrides:
    """The table `overrides`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def all(self) -> dict[str, OverrideBase]:
        """Return what is known, by template."""
        rows = self._database.decoded(
            "overrides",
            lambda row: OverrideBase(row["template"], row["text"], read_known(row["since"])),
            "select * from overrides order by template",
        )
        return {each.template: each for each in rows}

    def put(self, bases: Iterable[OverrideBase]) -> None:
        """Keep these, in place of what was known of the same templates."""
        for each in bases:
            self._database.execute(
                "insert or replace into overrides (template, text, since) values (?, ?, ?)",
                [each.template, each.text, written(each.since)],
            )

    def forget(self, templates: Iterable[str]) -> None:
        """Forget those that nobody overrides any more."""
        for each in templates:
            self._database.execute("delete from overrides where template = ?", [each])
