"""Windows that a crash, or a command that failed, has left open: closed by a worker, without the lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent.engine.challenge_windows import close_window
from agent.engine.dns_leftovers import BEGUN
from agent.engine.write_queue import Writer
from agent.model.challenge_windows import PATIENCE, REMEMBERED, SETTING, OpenWindow
from agent.store import Store
from agent.store.processes import is_alive, process_name
from agent.system.processes import is_running

SCOPE = "challenge windows"
"""Of what is said of those that could not be closed."""


def left_windows(store: Store, now: datetime) -> list[OpenWindow]:
    """Return the windows that no order needs that a living process works at; what a dead one has begun is not waited for."""
    leased = store.orders.leased(now)
    return [left for each in store.windows.all() if (left := _left(each, leased)) is not None]


def _left(row: OpenWindow, leased: Collection[tuple[str, str]]) -> OpenWindow | None:
    if not is_alive(row.process):
        return row if row.failed else replace(row, tried_at=None, retry_at=None)
    return row if row.attempts or row.retry_at or row.order not in leased else None


def reset_backoff(store: Store) -> None:
    """Let it be tried at once again with windows that could not be closed. Call inside `Store.write`."""
    store.windows.put([replace(each, retry_at=None) for each in store.windows.all() if each.failed])


def begin(store: Store, windows: Collection[str], now: datetime) -> list[OpenWindow]:
    """Return the windows to close, and keep others from doing the same for a while. Call inside `Store.write`."""
    rows = [each for each in left_windows(store, now) if each.id in windows]
    begun = [replace(each, process=process_name(), tried_at=now, retry_at=now + BEGUN) for each in rows]
    store.windows.put(begun)
    return begun


def close(rows: Sequence[OpenWindow], writer: Writer, now: Callable[[], datetime], stop: threading.Event) -> int:
    """Have windows closed, whatever happens; return how many there were."""
    for each in rows:
        if not stop.is_set():
            close_window(each, writer, now)
    return len(rows)


def take_over(store: Store, now: datetime) -> None:
    """Move what releases before kept in the memory of sources to where it is closed from, once their process is gone."""
    for source in store.memories.sources_with(REMEMBERED):
        rows = store.memories.read(source, REMEMBERED).get("open", ())
        open_here = [each for each in rows if is_running(int(each.get("pid", 0)), int(each.get("ticks", 0)))]
        with store.write():
            store.windows.put(_taken_over(source, (each for each in rows if each not in open_here), now))
            store.memories.write(source, REMEMBERED, {"open": open_here} if open_here else {})


def _taken_over(source: str, rows: Iterable[Mapping[str, Any]], now: datetime) -> Iterator[OpenWindow]:
    for each in rows:
        closing = each.get("close", {})
        if not closing.get("argv"):
            continue
        yield OpenWindow(
            id=str(each.get("id", "")),
            by=each.get("by", SETTING),
            source=source,
            request="",
            ports=(),
            names=tuple(each.get("names", ())),
            argv=tuple(closing["argv"]),
            environment=closing.get("environment", {}),
            seconds=min(closing.get("seconds", PATIENCE), PATIENCE),
            process="",
            at=now,
        )
