"""Peer certificates: signed by the appliance's root, found, exported, revoked; and the lists of what is revoked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from agent.auth.audit_log import AuditLog
from agent.errors.root import ListMissing, PeerUnknown, RevokedBefore, RootMissing, RootSignsUnusable, RootUnknown
from agent.model.events import Event, EventKind
from agent.model.peer import LIFETIME, Peer, serial_of
from agent.model.root import root_named
from agent.pki.chain import PeerCertificate, Purpose
from agent.pki.encoding import Part, encode
from agent.pki.revocation import Revocation, RevocationList, RevocationReason
from agent.store import Store
from agent.system.layout import Layout
from agent.system.names import parse_name

if TYPE_CHECKING:
    from agent.auth.person import Actor
    from agent.operations.locked_state import LockedState
    from agent.pki.authority import Root
    from agent.store import Store


def sign(
    layout: Layout,
    csr: bytes,
    names: Sequence[str],
    *,
    module: str,
    label: str,
    now: datetime,
    purposes: Collection[Purpose] = (Purpose.SERVER,),
    actor: Actor | None = None,
) -> PeerCertificate:
    """Sign a PEM request (RFC 2986) for `names` and keep the certificate under `module` and `label`.

    `actor`: who asks for it, for the audit record.

    Raises `RootMissing`, `RootExpired`, `RequestInvalid`, `NameInvalid`, `NamesMissing`, `StoreError`, and
    `RootSignsUnusable` where every client would refuse it.
    """
    from agent.pki.key import key_type_of
    from agent.pki.signing_request import load_request

    canonical = list(dict.fromkeys(parse_name(name) for name in names))
    with Store.open_existing(layout) as store:
        root = store.roots.load_signing(key_type_of(load_request(csr)).kind, now)
        if root is None:
            raise RootMissing
        peer = root.sign_request(csr, canonical, purposes, now, LIFETIME)
        _refuse_unusable(root, peer, purposes, now)
        with store.write():
            store.peers.add(peer, csr=csr, module=module, label=label, root=root.sha256, names=canonical, now=now)
            serial = f"{peer.leaf.serial_number:x}"
            text = f"{module}/{label} was signed for {', '.join(canonical[:3])}, until {peer.not_after:%Y-%m-%d}"
            detail = {"label": label, "serial": serial}
            store.journal.add(
                Event(at=now, kind=EventKind.PEER_SIGNED, text=text, job="", module=module, detail=detail)
            )
            AuditLog(store).note(actor, now, "peer signed", f"{module}/{label}", serial)
        return peer


def _refuse_unusable(root: Root, peer: PeerCertificate, purposes: Collection[Purpose], now: datetime) -> None:
    from agent.pki.judge import judge

    top = (root.certificate, *root.parents)[-1]
    refused = [each for one in purposes for each in judge(peer, purpose=one, now=now, anchors=[top]).refused]
    if refused:
        raise RootSignsUnusable(root.subject, list(dict.fromkeys(each.sentence for each in refused)))


def find_peer(store: Store, serial: str, module: str = "") -> Peer:
    """Return a peer certificate; one of `module`, if that is given. Raises `PeerUnknown`."""
    peer = store.peers.find(serial_of(serial))
    if peer is None or (module and peer.module != module):
        raise PeerUnknown(serial)
    return peer


def export_peer(store: Store, peer: Peer, parts: Sequence[Part] = (Part.FULLCHAIN, Part.ROOT)) -> bytes:
    """Return parts of a peer certificate's path as PEM: by default itself, what leads to the root, and the root.

    With the root come the others that are believed: the device is to know the one that signs next, and the one before.
    """
    found = PeerCertificate.from_pem(store.peers.certificates(peer.sha256).encode())
    others = [each for each in store.roots.all() if each.believed and each.sha256 not in found.issuers]
    roots = "".join(each.certificates for each in others) if Part.ROOT in parts else ""
    return encode(found, parts) + roots.encode()


def revocation_list(store: Store, root: str = "") -> RevocationList:
    """Return a root's list of what it has revoked. `root`: beginning of its SHA-256; empty: the main one that signs.

    Raises `RootMissing`, `RootUnknown`, `RootAmbiguous` and `ListMissing`.
    """
    record = root_named(store.roots.all(), root) if root else store.roots.present()
    if record is None:
        raise RootUnknown(root) if root else RootMissing
    found = store.revocations.lists().get(record.sha256)
    if found is None or not found.pem:
        raise ListMissing(record.subject)
    return found


def revoke_peer(state: LockedState, peer: Peer, reason: RevocationReason) -> list[Peer]:
    """Revoke a peer certificate, and with the present one those that it has replaced. Return them.

    The next pass lists them. Raises `RevokedBefore`.
    """
    if peer.revoked_at is not None:
        raise RevokedBefore(peer.serial, peer.revoked_at)
    store, now = state.store, state.now
    found = [each for each in _of_one_key(store, peer) if each.revoked_at is None and each.not_after > now]
    detail = {"label": peer.label, "serials": [each.serial for each in found]}
    text = f"{peer.module}/{peer.label} was revoked: {reason}"
    event = state.event(EventKind.REVOKED_BY_ROOT, text, peer.module, **detail)
    with state.change("revoke", f"{peer.module}/{peer.label}", f"{peer.serial}, {reason}", events=[event]):
        store.peers.revoke(found, now, reason)
        for each in found:
            store.revocations.add(Revocation(each.root, each.serial, now, reason, each.not_after))
    return found


def _of_one_key(store: Store, peer: Peer) -> list[Peer]:
    """Return a certificate, and if it is the present one of its peer, those before it with the same key."""
    if not peer.current:
        return [peer]
    csr = store.peers.request(peer.sha256)
    same = [each for each in store.peers.all() if (each.module, each.label) == (peer.module, peer.label)]
    return [each for each in same if each.sha256 == peer.sha256 or store.peers.request(each.sha256) == csr]
