"""Services that handlers share: clock, accounts, status, lock, jobs and redaction."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agent.api.authentication import PeerProcesses
from agent.api.inspections import Inspections
from agent.api.limits import ApiLimits
from agent.api.redaction import redaction
from agent.auth import Accounts
from agent.report import Report, Snapshot, read_snapshot, report
from agent.report.rows import plain
from agent.store import Store
from agent.system.clock import Clock, belief_of
from agent.system.layout import Layout

if TYPE_CHECKING:
    from agent.auth.person import Actor, Origin
    from agent.engine.unchanged_settings import Loaded, Loader
    from agent.operations.locked_state import LockedState

FRESH = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _CachedStatus:
    """Status that was read a moment ago."""

    mark: tuple[tuple[int, int], ...]
    at: datetime
    snapshot: Snapshot
    report: Report

    def good(self, mark: tuple[tuple[int, int], ...], now: datetime) -> bool:
        """Whether nothing was written since, and it is not a second old: time alone changes a status, too."""
        return mark == self.mark and timedelta() <= now - self.at < FRESH


class ApiServices:
    """Services of the process, for handlers in several threads."""

    def __init__(
        self,
        layout: Layout,
        peers: PeerProcesses,
        *,
        clock: Callable[[], datetime] | None = None,
        limits: ApiLimits | None = None,
        loader: Loader | None = None,
    ) -> None:
        """`loader` of settings and plugins; None: they are loaded when they are first needed, and when they have changed."""
        self.layout = layout
        self.peers = peers
        self._clock = clock or Clock(layout.root)
        self.limits = limits or ApiLimits()
        self._clean = redaction(layout)
        self._reading = threading.Lock()
        self._cached: _CachedStatus | None = None
        self.inspections = Inspections()
        self._loader = loader or _load_later()

    def now(self) -> datetime:
        """Return the present instant, UTC, as far as the machine's clock is believed."""
        return self._clock()

    @contextlib.contextmanager
    def accounts(self, origin: Origin | None = None) -> Iterator[Accounts]:
        """Open the accounts in the store; `origin`: of changes, for the audit record. Raises `StoreError`."""
        with Store.open_to_look(self.layout) as store:
            yield Accounts(store, origin=origin)

    def status(self, now: datetime) -> tuple[Snapshot, Report]:
        """Return what the store knows, and what that means now. Raises `StoreError`.

        A page asks more than once; with 1,000 chains that would be felt.
        """
        with self._reading:
            mark = _mark(self.layout.database)
            if self._cached is None or not self._cached.good(mark, now):
                snapshot = read_snapshot(self.layout, now, belief_of(self._clock))
                self._cached = _CachedStatus(mark, now, snapshot, report(snapshot, now))
            return self._cached.snapshot, self._cached.report

    def locked_state(self, actor: Actor, job: str = "") -> contextlib.AbstractContextManager[LockedState]:
        """Hold the lock for one change of `actor`. Raises `LockHeld`, `SettingsRefused` and `StoreError`."""
        from agent.engine.engine import Engine
        from agent.operations.locked_state import locked_state

        engine = Engine(self.layout, clock=self._clock, who="chainwright api", job=job, loader=self._loader)
        return locked_state(engine, self.limits.lock_seconds, actor)

    def looking_state(self) -> contextlib.AbstractContextManager[LockedState]:
        """Give the state for a look, without the lock. Raises `SettingsRefused` and `StoreError`."""
        from agent.engine.engine import Engine
        from agent.operations.locked_state import looking_state

        return looking_state(Engine(self.layout, clock=self._clock, who="chainwright api", loader=self._loader))

    def json(self, content: object) -> bytes:
        """Return what is sent of dataclasses and plain JSON types: one line, without the paths of the agent's own files."""
        return json.dumps(self._clean(plain(content)), ensure_ascii=False, separators=(",", ":")).encode()


def _load_later() -> Loader:
    """Return a loader that is imported when it is called: who only looks needs none of it."""
    found: Loader | None = None

    def load(layout: Layout) -> Loaded:
        nonlocal found
        if found is None:
            from agent.engine.unchanged_settings import UnchangedSettings

            found = UnchangedSettings()
        return found(layout)

    return load


def _mark(database: Path) -> tuple[tuple[int, int], ...]:
    """Return what changes with each write to the store: time and size of the file, and of that with the latest changes."""
    found = []
    for path in (database, database.with_name(f"{database.name}-wal")):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            if status.st_size:  # an empty one comes and goes with readers
                found.append((status.st_mtime_ns, status.st_size))
    return tuple(found)
