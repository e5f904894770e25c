"""Peer certificates and revocation lists as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.errors.problem import Problem
from agent.model.peer import Peer, PeerState
from agent.store import Store


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One peer certificate."""

    serial: str
    """Lower-case hex."""
    sha256: str
    module: str
    label: str
    names: tuple[str, ...]
    purposes: tuple[str, ...]
    """server, client or both."""
    root: str
    """SHA-256 of the root that signed it."""
    not_before: datetime
    not_after: datetime
    state: PeerState
    renew_at: datetime | None
    """When it is signed again though the root stays; None: it isn't."""
    replaced_at: datetime | None
    revoked_at: datetime | None
    reason: str | None
    """Why it was revoked (RFC 5280 section 5.3.1)."""
    problem: Problem | None
    """Why it could not be signed again last."""


@dataclass(frozen=True, slots=True)
class ListRow:
    """The newest list of what a root has revoked."""

    root: str
    """SHA-256."""
    number: int
    this_update: datetime
    next_update: datetime
    revoked: int
    """Certificates in it."""


def peer_rows(store: Store, now: datetime) -> list[PeerRow]:
    """Return every peer certificate: by module and label, the newest first."""
    problems = store.peers.problems()
    return [_row(each, problems.get(each.sha256), now) for each in store.peers.all()]


def list_row(store: Store, root: str) -> ListRow | None:
    """Return what there is to say of a root's list; None: there is none."""
    found = store.revocations.lists().get(root)
    if found is None or not found.pem:
        return None
    return ListRow(found.root, found.number, found.this_update, found.next_update, len(found.serials))


def _row(peer: Peer, problem: dict[str, object] | None, now: datetime) -> PeerRow:
    state = peer.state(now)
    return PeerRow(
        serial=peer.serial,
        sha256=peer.sha256,
        module=peer.module,
        label=peer.label,
        names=peer.names,
        purposes=tuple(str(each) for each in peer.purposes),
        root=peer.root,
        not_before=peer.not_before,
        not_after=peer.not_after,
        state=state,
        renew_at=peer.renew_at,
        replaced_at=peer.replaced_at,
        revoked_at=peer.revoked_at,
        reason=str(peer.reason) if peer.reason else None,
        problem=Problem.from_json(problem) if problem else None,
    )
