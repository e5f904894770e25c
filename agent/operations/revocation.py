"""Taking back what was signed: by an own root, and what is noted when a chain is revoked, whoever signed it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.engine.engine import Engine
from agent.engine.inquiries import revoked_event
from agent.errors.root import PeerUnknown, RevokedBefore
from agent.model.events import Event, EventKind
from agent.model.peer import Peer, serial_of
from agent.model.records import ChainRecord
from agent.operations.consequences import Answers
from agent.operations.locked_state import LockedState, Switch, locked_state
from agent.operations.peers import find, revoke
from agent.pki.revocation import Revocation, RevocationReason
from agent.store import Store


@dataclass(frozen=True, slots=True)
class Signed:
    """Something that an own root has signed, and what revoking it would do."""

    serial: str
    names: tuple[str, ...]
    peer: str
    """``module/label`` of a peer certificate; empty for a local chain."""
    switches: tuple[Switch, ...]
    """Needs that get another chain."""
    answers: Answers
    """What modules say that breaks."""


class Revoker:
    """Revokes what an own root has signed, under the lock; `Engine.apply` then does what follows."""

    def __init__(self, engine: Engine, *, wait: float = 60.0) -> None:
        self._engine = engine
        self._wait = wait

    def preview(self, serial: str) -> Signed:
        """Return what an own root has signed with this serial number, and what revoking it would do.

        Raises `PeerUnknown`.
        """
        with locked_state(self._engine, self._wait) as state:
            peer, record = self._signed(state, serial)
            if peer is not None:
                modules = [each for each in [peer.module] if each in state.inputs.enabled.modules]
                answers = state.consequences("peer", peer.serial, {}, modules)
                return Signed(peer.serial, peer.names, f"{peer.module}/{peer.label}", (), answers)
            assert record is not None
            keys = [each.key for each in state.bindings() if each.chain == record.id]
            answers = state.asked("chain", record.id, keys)
            return Signed(record.serial, record.names, "", tuple(state.without(record.id)), answers)

    def revoke(self, serial: str, reason: RevocationReason = RevocationReason.UNSPECIFIED) -> list[Switch]:
        """Revoke a peer certificate, or a local chain, which is no longer good then: a new one is made.

        The next pass lists it. Raises `PeerUnknown` and `RevokedBefore`.
        """
        with locked_state(self._engine, self._wait) as state:
            peer, record = self._signed(state, serial)
            if peer is not None:
                self._revoke_peer(state.store, peer, reason)
                return []
            assert record is not None
            switches = state.without(record.id)
            self._revoke_chain(state.store, record, reason)
            return switches

    def revoke_peer(self, serial: str, module: str, reason: RevocationReason) -> list[Peer]:
        """Revoke a peer certificate of one module. Return it, and those that were revoked with it. Raises as `revoke` does."""
        with locked_state(self._engine, self._wait) as state:
            return self._revoke_peer(state.store, find(state.store, serial, module), reason)

    def _revoke_peer(self, store: Store, peer: Peer, reason: RevocationReason) -> list[Peer]:
        now = self._engine.clock()
        found = revoke(store, peer, reason, now)
        serials = [each.serial for each in found]
        text = f"{peer.module}/{peer.label} was revoked: {reason}"
        event = Event(now, EventKind.REVOKED_BY_ROOT, text, "", peer.module, {"label": peer.label, "serials": serials})
        self._engine.bus.publish(store, event)
        return found

    def _revoke_chain(self, store: Store, record: ChainRecord, reason: RevocationReason) -> None:
        if record.revoked_at is not None:
            raise RevokedBefore(record.serial, record.revoked_at)
        entry = Revocation(record.root or "", record.serial, self._engine.clock(), reason, record.not_after)
        with store.write():
            store.revocations.add(entry)
        mark_revoked(self._engine, store, record, str(reason))

    def _signed(self, state: LockedState, serial: str) -> tuple[Peer | None, ChainRecord | None]:
        wanted = serial_of(serial)
        peer = state.store.peers.find(wanted)
        found = [each for each in state.evidence.chains if each.root is not None and each.serial == wanted]
        if peer is None and not found:
            raise PeerUnknown(serial)
        return peer, next(iter(found), None)


def mark_revoked(engine: Engine, store: Store, record: ChainRecord, reason: str) -> None:
    """Note that a chain was revoked: nothing is bound to it any more, and its source is asked for another one."""
    now = engine.clock()
    detail = {"source": record.source, "names": list(record.names), "chain": record.id}
    with store.write():
        store.chains.revoke(record.id, now)
        if record.request is not None:
            store.orders.forget_failures(record.request)
        known = engine.bus.record(store, [revoked_event(now, reason, detail, now, "")])
    engine.bus.show(store, known)
