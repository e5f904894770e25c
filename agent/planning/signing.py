"""Signatures of own roots that are due beside local chains: lists of what they have revoked, and peers again. Pure."""

from __future__ import annotations

from datetime import datetime

from agent.model.pause import AHEAD
from agent.model.peer import Peer
from agent.planning.actions import ListRevoked, SignAgain
from agent.planning.renewal import renewal_instant
from agent.planning.state import State


class Signing:
    """Gathers lists and peer certificates that are due."""

    def __init__(self, state: State, now: datetime) -> None:
        self._state = state
        self._now = now
        self.lists: list[ListRevoked] = []
        self.peers: list[SignAgain] = []
        self.instants: list[datetime] = []

    def consider(self) -> None:
        """Consider every root that has not ended, and every peer's present certificate."""
        for root, ends in self._state.roots.items():
            if self._now < ends and (why := self._why_list(root)):
                self.lists.append(ListRevoked(root, why))
        signing = {
            kind: each.root
            for kind, each in self._state.evidence.signers.items()
            if self._now < self._state.roots.get(each.root, self._now)
        }
        for peer in self._state.peers:
            present = signing.get(peer.key_type.kind)
            if peer.current and present and (why := self._why_again(peer, present)) and not self._is_held_back(peer):
                self.peers.append(SignAgain(peer.sha256, peer.module, peer.label, why))

    def _why_list(self, root: str) -> str:
        known = self._state.lists.get(root)
        if known is None:
            return "the root has none yet"
        revoked = {each.serial for each in self._state.revocations if each.root == root and each.must_be_listed(known)}
        if revoked - set(known.serials):
            return "a certificate was revoked"
        if not known.pem:
            return ""
        if known.this_update > self._now:
            return "the one before is of the future"
        return self._when_due(renewal_instant(known.this_update, known.next_update))

    def _why_again(self, peer: Peer, present: str) -> str:
        if peer.root != present:
            return "the root has changed"
        if peer.not_before > self._now + AHEAD:
            return "the one before is of the future"
        return self._when_due(peer.renew_at) if peer.renew_at else ""

    def _when_due(self, at: datetime) -> str:
        if at > self._now:
            self.instants.append(at)
            return ""
        return f"its renewal has been due since {at:%Y-%m-%d}"

    def _is_held_back(self, peer: Peer) -> bool:
        pause = self._state.held_back.get(peer.sha256)
        if pause is None or pause.until is None or not pause.holds(self._now):
            return False
        self.instants.append(pause.until)
        return True
