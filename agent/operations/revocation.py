"""Revocation of chains by their CA, and of what an own root has signed."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from agent.errors.operations import IssuerNotInSettings, NotInLadder
from agent.errors.root import PeerUnknown, RevokedBefore
from agent.errors.usage import UnknownChain
from agent.model.peer import serial_of
from agent.operations.consequences import chain_effects, module_effects
from agent.operations.effects import RevocationEffects, Switch
from agent.operations.peers import revoke_peer
from agent.pki.revocation import Revocation, RevocationReason
from agent.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.auth.person import Actor
    from agent.contract.source import SourceContext
    from agent.engine.engine import Engine
    from agent.model.peer import Peer
    from agent.model.records import ChainRecord
    from agent.operations.locked_state import LockedState
    from agent.registry.sources import SourceHandle


def revoke_at_ca(
    engine: Engine, chain: str, reason: str = "unspecified", wait: float = 60.0, actor: Actor | None = None
) -> list[Switch]:
    """Have a chain revoked by its CA; what uses it gets one of the next source, and the next pass orders a new one.

    `reason` is a CRLReason of RFC 5280 section 5.3.1. Raises `SourceError`, as when chains of this source can't be
    revoked, `NotInLadder`, `IssuerNotInSettings` and `UnknownChain`; nothing has changed then. The lock is free while
    the CA is asked.
    """
    from agent.operations.locked_state import locked_state

    with Store.open_existing(engine.layout) as store:
        loaded, record = store.chains.load(chain), store.chains.record(chain)
    if loaded is None or record is None:
        raise UnknownChain(chain, ())
    with _issuer(engine, record, wait) as (source, context):
        source.revoke(loaded, reason, context)
    with locked_state(engine, wait, actor) as state:
        switches = state.without(chain)
        _mark_revoked(state, record, reason)
        return switches


@contextmanager
def _issuer(engine: Engine, record: ChainRecord, wait: float) -> Iterator[tuple[SourceHandle, SourceContext]]:
    """Yield the source that is set to the CA of a chain, whatever its table is called now.

    Raises `NotInLadder`, `IssuerNotInSettings` and `LockHeld`.
    """
    from agent.operations.sources import source_contexts

    def may(each: SourceHandle) -> bool:
        return each.origin == record.origin if record.origin else record.source in {each.name, each.group}

    about = {"names": list(record.names), "chain": record.id}
    with ExitStack() as stack:
        try:
            found = stack.enter_context(source_contexts(engine, may, record.source, wait, **about))
        except NotInLadder as error:
            if not record.origin:
                raise
            raise IssuerNotInSettings(record.source, record.origin, record.names[0]) from error
        yield next((each for each in found if each[0].name == record.source), found[0])


def revocation_effects(state: LockedState, serial: str) -> RevocationEffects:
    """Return what an own root has signed with this serial number, and what revoking it would do. Raises `PeerUnknown`."""
    peer, record = _signed(state, serial)
    if peer is not None:
        modules = [each for each in [peer.module] if each in state.inputs.enabled.modules]
        found = module_effects(state, "peer", peer.serial, (), modules)
        names, who, switches = peer.names, f"{peer.module}/{peer.label}", []
    else:
        assert record is not None
        found, names, who, switches = chain_effects(state, record.id), record.names, "", state.without(record.id)
    return RevocationEffects(
        *(found.consequences, found.unknown, found.uninspected),
        serial=peer.serial if peer is not None else serial_of(serial),
        names=names,
        peer=who,
        switches=tuple(switches),
    )


def revoke_signed(
    state: LockedState, serial: str, reason: RevocationReason = RevocationReason.UNSPECIFIED
) -> list[Switch]:
    """Revoke a peer certificate, or a local chain, which is no longer good then: a new one is made.

    The next pass lists it. Raises `PeerUnknown` and `RevokedBefore`.
    """
    peer, record = _signed(state, serial)
    if peer is not None:
        revoke_peer(state, peer, reason)
        return []
    assert record is not None
    if record.revoked_at is not None:
        raise RevokedBefore(record.serial, record.revoked_at)
    switches = state.without(record.id)
    _mark_revoked(
        state, record, reason, Revocation(record.root or "", record.serial, state.now, reason, record.not_after)
    )
    return switches


def _signed(state: LockedState, serial: str) -> tuple[Peer | None, ChainRecord | None]:
    wanted = serial_of(serial)
    peer = state.store.peers.find(wanted)
    record = next((each for each in state.chains if each.root is not None and each.serial == wanted), None)
    if peer is None and record is None:
        raise PeerUnknown(serial)
    return peer, record


def _mark_revoked(state: LockedState, record: ChainRecord, reason: str, entry: Revocation | None = None) -> None:
    """Note that a chain was revoked: nothing is bound to it any more, and its source is asked for another one."""
    from agent.engine.inquiries import revoked_event
    from agent.engine.kept_keys import distrust_key

    store, now = state.store, state.now
    detail = {"source": record.source, "names": list(record.names), "chain": record.id}
    event = revoked_event(now, reason, detail, now, state.engine.job)
    about = f"{record.serial if entry else record.id}, {reason}"
    with state.change("revoke", ", ".join(record.names[:3]), about, events=[event]):
        if entry is not None:
            store.revocations.add(entry)
        store.chains.revoke(record.id, now)
        if reason == RevocationReason.KEY_COMPROMISE:
            distrust_key(store, record.id, now)
        if record.request is not None:
            store.orders.forget_failures(record.request)
