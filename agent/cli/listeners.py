"""What ``chainwright plugins`` tells of observers and notifiers: how far each is, and what it failed in last."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from typing import Any

from agent.errors import AgentError
from agent.store import Store
from agent.store.deliveries import failures_of
from agent.system.layout import Layout


def listeners(layout: Layout) -> list[dict[str, Any]]:
    """Return every observer and notifier that the last pass found enabled, as plain JSON types."""
    with contextlib.suppress(AgentError, sqlite3.Error), Store.open_read_only(layout) as store:
        behind = store.deliveries.behind()
        return [
            each.to_json(behind.get(each.listener, 0))
            | {
                "problem": next(
                    (found.problem.to_json() for found in store.conditions.of(failures_of(each.listener))), None
                )
            }
            for each in store.deliveries.all()
        ]
    return []


def listener_rows(found: Iterable[dict[str, Any]]) -> list[list[str]]:
    """Return the rows of a table, none where there are no observers and notifiers."""
    rows = [
        [
            each["name"],
            each["kind"],
            each["plugin"],
            str(each["behind"]),
            each["problem"]["cause"] if each["problem"] else "",
        ]
        for each in found
    ]
    return [["TOLD OF EVENTS", "KIND", "PLUGIN", "BEHIND", "LAST PROBLEM"], *rows] if rows else []
