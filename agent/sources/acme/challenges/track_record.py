"""`TrackRecord`: which names a CA knows to be ours, as far as is remembered, and which methods have failed it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.model.pause import AHEAD
from agent.sources.acme.challenges.challenge_type import ChallengeType

if TYPE_CHECKING:
    from agent.contract.source import Ledger

REMEMBERED = timedelta(days=7)
"""For which a CA may use an authorization again, and for which a method that has failed for a name comes last."""


class TrackRecord:
    """That of one CA, in the ledger."""

    def __init__(self, ledger: Ledger, directory: str) -> None:
        self._ledger = ledger
        self._place = urlsplit(directory).netloc

    def note_proved(self, names: Collection[str]) -> None:
        """Note whom the CA has validated."""
        self._note("proved", names)

    def note_failed(self, type_: ChallengeType, names: Collection[str]) -> None:
        """Note for whom a method did not do although it seemed to."""
        self._note(f"{type_} failed", names)

    def may_be_known(self, name: str, now: datetime) -> bool:
        """Whether the CA may need no proof: it has validated the name lately."""
        return self._newest("proved", name, now) is not None

    def doubted(self, name: str, now: datetime) -> frozenset[ChallengeType]:
        """Return the methods that have failed since the name was last proved."""
        failed = {each: self._newest(f"{each} failed", name, now) for each in ChallengeType}
        if not any(failed.values()):
            return frozenset()
        proved = self._newest("proved", name, now)
        return frozenset(each for each, at in failed.items() if at and (proved is None or at > proved))

    def _newest(self, what: str, name: str, now: datetime) -> datetime | None:
        found = self._ledger.instants(self._kind(what), name, now - REMEMBERED)
        return max((at for at in found if at <= now + AHEAD), default=None)

    def _note(self, what: str, names: Collection[str]) -> None:
        if names:
            self._ledger.note(self._kind(what), names)

    def _kind(self, what: str) -> str:
        return f"{what} at {self._place}"
