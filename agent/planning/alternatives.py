"""Next chains down the ladder for needs whose services refuse one. Pure: what is known is taken before anything is deployed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from agent.model.need import Need
from agent.planning.evidence import Evidence
from agent.planning.ranking import rank


class Alternatives:
    """Next chains, for any thread: nothing is read any more when a group of services asks."""

    def __init__(self, needs: Iterable[Need], evidence: Evidence, now: datetime) -> None:
        self._needs = {need.key: need for need in needs}
        self._evidence = evidence
        self._now = now

    def __call__(self, module: str, slot: str, refused: frozenset[str]) -> str | None:
        """Return the id of the best chain but `refused` for a need; None: there is none."""
        need = self._needs.get((module, slot))
        ranked = rank(need, self._evidence, self._now) if need else []
        return next((each.record.id for each in ranked if each.record.id not in refused), None)
