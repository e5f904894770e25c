"""Inquiries about bound chains that are due. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.model.binding import Binding
from agent.model.pause import Pause
from agent.model.records import UPLOADED, ChainRecord
from agent.planning.actions import Inquire
from agent.planning.state import State

LATEST = timedelta(hours=6)
PART = 20
"""Of its lifetime: a chain of a source is first asked about after so much of it, at the latest six hours after it came."""


class Inquiries:
    """Gathers what is to be asked about chains that needs are bound to; what the own root signed, nobody else revokes."""

    def __init__(self, state: State, now: datetime) -> None:
        self._state = state
        self._now = now
        self._sources = {source.name: source for source in state.evidence.ladder}
        self._due: dict[str, Inquire] = {}
        self.instants: list[datetime] = []

    @property
    def due(self) -> list[Inquire]:
        """What is to be asked now."""
        return list(self._due.values())

    def consider(self, binding: Binding) -> None:
        """Ask about the chain of a binding when it's time to."""
        record = self._state.evidence.index.get(binding.chain)
        if record is None or record.root is not None or record.id in self._due:
            return
        source, watch = self._sources.get(record.source), self._state.evidence.watches.get(record.id)
        first = _first(record, self._now)
        renewal_at = (self._after(watch.pause) if watch else first) if source and source.watches else None
        crl_at = (self._after(watch.crl_pause) if watch else first) if record.crl else None
        renewal, revocation = self._is_due(renewal_at), self._is_due(crl_at)
        if renewal or revocation:
            reason = "it has been a while" if watch else "nobody has asked yet"
            self._due[record.id] = Inquire(record.id, record.source, reason, record.names, renewal, revocation)

    def _after(self, pause: Pause) -> datetime | None:
        """Return when a pause ends that holds; None: nobody is to be asked at all."""
        return pause.until if pause.until is None or pause.holds(self._now) else self._now

    def _is_due(self, at: datetime | None) -> bool:
        if at is None:
            return False
        if at > self._now:
            self.instants.append(at)
        return at <= self._now


def _first(record: ChainRecord, now: datetime) -> datetime:
    """An upload may be old, and revoked long since; a chain that a source has just brought isn't."""
    if record.source == UPLOADED or record.created_at is None:
        return now
    return record.created_at + min(LATEST, (record.not_after - record.not_before) / PART)
