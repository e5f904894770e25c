"""Signatures of own roots that are due beside local chains: lists of what they have revoked, and peers again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.engine.bus import Bus
from agent.errors import AgentError
from agent.errors.root import RootMissing
from agent.model.events import Event, EventKind
from agent.model.peer import LIFETIME, Peer
from agent.pki.chain import PeerCertificate
from agent.planning import ListRevoked, SignAgain, describe
from agent.store import Store


class RootSigner:
    """Performs `ListRevoked` and `SignAgain`. What can't be signed holds up nothing else."""

    def __init__(self, store: Store, bus: Bus, now: datetime, job: str) -> None:
        self._store = store
        self._bus = bus
        self._now = now
        self._job = job

    def perform(self, actions: Sequence[ListRevoked | SignAgain]) -> list[str]:
        """Do what is due. Return lines for people."""
        performed = []
        for action in actions:
            done = self._list(action) if isinstance(action, ListRevoked) else self._again(action)
            performed += [describe(action)] if done else []
        return performed

    def _list(self, action: ListRevoked) -> bool:
        """Return whether there is something to tell: a root's first list belongs to its making."""
        root = self._store.roots.load(action.root)
        if root is None:
            return False
        last = self._store.revocations.lists().get(action.root)
        entries = [
            each for each in self._store.revocations.all() if each.root == action.root and each.must_be_listed(last)
        ]
        made = root.list_revoked(entries, last.number + 1 if last else 1, self._now)
        with self._store.write():
            self._store.revocations.keep_list(made)
        if last is None or not made.pem:
            return False
        text = f"{root.subject}: list {made.number} of revoked certificates, {len(made.serials)} in it"
        self._tell(EventKind.REVOCATIONS_LISTED, text, root=root.sha256, number=made.number)
        return True

    def _again(self, action: SignAgain) -> bool:
        peer = next(each for each in self._store.peers.all() if each.sha256 == action.peer)
        about = {"label": peer.label, "names": list(peer.names), "serial": peer.serial}
        try:
            made = sign_again(self._store, peer, self._now)
        except AgentError as error:
            self._hold_back(peer, error)
            self._tell(EventKind.PEER_FAILED, f"{peer.label}: {error.problem.cause}", peer.module, **about)
            return False
        text = f"{peer.module}/{peer.label} was signed again, until {made.not_after:%Y-%m-%d}: {action.reason}"
        self._tell(
            EventKind.PEER_SIGNED, text, peer.module, **{**about, "serial": made.serial, "replaces": peer.serial}
        )
        return True

    def _hold_back(self, peer: Peer, error: AgentError) -> None:
        with self._store.write():
            self._store.peers.hold_back(peer, error.problem.to_json(), self._now)

    def _tell(self, kind: EventKind, text: str, module: str = "", **detail: object) -> None:
        self._bus.publish(
            self._store, Event(at=self._now, kind=kind, text=text, job=self._job, module=module, detail=detail)
        )


def sign_again(store: Store, peer: Peer, now: datetime) -> PeerCertificate:
    """Sign a peer's request once more, with the present root. The certificate before it is believed until it ends.

    Raises `RootMissing` and what `Root.sign_request` does.
    """
    root = store.roots.load_signing(peer.key_type.kind, now)
    if root is None:
        raise RootMissing
    csr = store.peers.request(peer.sha256)
    made = root.sign_request(csr, peer.names, peer.purposes, now, LIFETIME)
    names = list(peer.names)
    with store.write():
        store.peers.add(made, csr=csr, module=peer.module, label=peer.label, root=root.sha256, names=names, now=now)
    return made
