"""What is to be seen at this moment beside the store: changed settings, a lock that somebody holds, lost sockets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from agent.health.problems import blocked, unreachable
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store
from agent.system.clock_offsets import age
from agent.system.fingerprint import digest_of, facts
from agent.system.layout import Layout
from agent.system.lock import Holder, holder_of, times_of

SETTINGS, PASS = "settings", "pass"
AGENT = "agent"
SETTINGS_SEEN = "settings seen"
"""Key of the fingerprint of the files that a pass read last: while it is the same, what it noted is still so."""
STARTING = timedelta(seconds=5)
"""So long an agent may have its lock before it has its sockets."""
LONG = timedelta(minutes=10)
"""A run that holds the lock for longer keeps others from their work."""


def observed(layout: Layout, store: Store, now: datetime) -> tuple[Finding, ...]:
    """Return what passes have noted, as far as it is still so, and what is to be seen now."""
    noted = store.conditions.all()
    if not _settings_are_known(layout, store):
        noted = [each for each in noted if each.kind is not SubjectKind.SETTINGS] + list(_settings(layout))
    return (*noted, *_blocked(layout, now), *_unreachable(layout))


def _settings_are_known(layout: Layout, store: Store) -> bool:
    try:
        return store.meta(SETTINGS_SEEN) == digest_of("\n".join(facts(str(layout.root))))
    except OSError:
        return True


def _settings(layout: Layout) -> Iterator[Finding]:
    """Yield why the settings on disk can't be used, which no pass has read yet."""
    from agent.config.loading import load
    from agent.errors.settings import SettingsRefused
    from agent.sources import BUILT_IN

    try:
        load(layout, BUILT_IN)
    except SettingsRefused as error:
        yield Finding(SubjectKind.SETTINGS, SETTINGS, Severity.ERROR, error.problem)


def _blocked(layout: Layout, now: datetime) -> Iterator[Finding]:
    if not any(age(each, layout.root) > LONG.total_seconds() for each in times_of(layout.lock)):
        return  # the kernel's list of all locks need not be read
    holder = holder_of(layout.lock)
    held_for = _held_for(holder, layout) if holder else timedelta()
    if holder is not None and held_for > LONG:
        since = now - held_for
        yield Finding(SubjectKind.PASS, PASS, Severity.WARNING, blocked(holder.title, since), since)


def _held_for(holder: Holder, layout: Layout) -> timedelta:
    """Return how long a lock has been held, however the clock was set since."""
    return timedelta(seconds=age(holder.since.timestamp(), layout.root))


def _unreachable(layout: Layout) -> Iterator[Finding]:
    if layout.api.exists():
        return
    holder = holder_of(layout.daemon_lock)
    if holder is not None and _held_for(holder, layout) > STARTING:
        yield Finding(SubjectKind.APPLIANCE, AGENT, Severity.WARNING, unreachable(holder.title, str(layout.api)))
