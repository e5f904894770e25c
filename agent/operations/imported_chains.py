"""Chains of other ACME clients that a source goes on with as with its own: it renews them, by what their CA says."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.contract.source import RequestState
from agent.errors.importing import NewerChainThere
from agent.errors.wording import few
from agent.model.events import EventKind
from agent.model.fitting import is_pinned
from agent.operations.imported_accounts import source_for
from agent.operations.uploads import upload_record
from agent.registry.sources import SourceHandle, offer_or_reason

if TYPE_CHECKING:
    from agent.model.need import Need, Request
    from agent.model.records import ChainRecord
    from agent.operations.locked_state import LockedState
    from agent.pki.chain import Chain
    from agent.pki.judgement import Objection

NOBODY = RequestState(chain=None, bound=None, order=None, root=None)


@dataclass(frozen=True, slots=True)
class Successor:
    """The source that goes on with a chain, for the request that it is a chain of."""

    source: SourceHandle
    request: Request
    record: ChainRecord
    """What the store knows of the chain then."""


def successor_of(state: LockedState, chain: Chain, ca: str) -> tuple[Successor | None, str]:
    """Return which source goes on with a chain that another client has of `ca`; or None, and why it is an upload: a clause.

    It serves all that it would serve as an upload; the clause is empty where that is nothing. Raises `NewerChainThere`.
    """
    upload = upload_record(chain, state.now)
    needs = _bound(state, upload)
    if not needs:
        return None, ""
    source, requests = source_for(state, ca), {need.request.id: need.request for need in needs}
    if source is None:
        return None, f"no source here asks {ca}" if ca else "its CA is not known"
    request = next(iter(requests.values()))
    reason = _why_not(state, source, request, needs, upload) if len(requests) == 1 else _why_several(needs)
    if reason:
        return None, reason
    # Its source asks about it at once, as it isn't new.
    made = min(upload.not_before, state.now)
    record = replace(upload, source=source.name, request=request.id, created_at=made, origin=source.origin)
    instead = _instead(state, record, needs)
    if any(each.source == source.name for each in instead):
        raise NewerChainThere(source.name, instead[0].id, instead[0].not_after)
    if instead:
        return None, "it would come after another upload"
    return Successor(source, request, record), ""


def _bound(state: LockedState, record: ChainRecord) -> list[Need]:
    """Return the needs that a chain would serve."""
    keys = {each.key for each in state.bindings([*state.chains, record]) if each.chain == record.id}
    return [need for need in state.needs if need.key in keys]


def _instead(state: LockedState, record: ChainRecord, needs: Iterable[Need]) -> list[ChainRecord]:
    """Return the chains that needs would be bound to instead of one."""
    keys = {need.key for need in needs}
    bound = {each.chain for each in state.bindings([*state.chains, record]) if each.key in keys}
    return [each for each in state.chains if each.id in bound]


def _why_several(needs: Collection[Need]) -> str:
    return f"{few([f'{need.module}/{need.slot}' for need in needs])} have chains of their own"


def _why_not(
    state: LockedState, source: SourceHandle, request: Request, needs: Iterable[Need], upload: ChainRecord
) -> str:
    """Return why a source doesn't go on with a chain; empty where it does. Its key may be of any type that is accepted."""
    for need in needs:
        place = f"{need.module}/{need.slot}"
        if source.name not in state.rungs(need):
            return f"{source.name} is no source of {place}"
        if is_pinned(need, upload, {each.key: each.chain for each in state.pins}):
            return f"it is pinned for {place}"
    offer = offer_or_reason(source, request, NOBODY)
    return "" if offer.serves else f"{source.name} can't renew it: {offer.reason}"


def store_renewable(
    state: LockedState, chain: Chain, successor: Successor, *, warnings: Iterable[Objection], account: str
) -> None:
    """Store a chain as its source would have. `account`: URL of the one that has ordered it; empty: not ours."""
    from agent.engine.kept_keys import note_delivery
    from agent.pki.judge import EDITION
    from agent.sources.acme.takeover import issued_memory

    source, request, record = successor.source, successor.request, successor.record
    memory = issued_memory(source.origin, request.id, chain, account)  # a plugin's source may compute its origin
    text = f"imported as {chain.id[:12]}, renewed by {source.name}"
    event = state.event(
        EventKind.CHAIN_STORED,
        text,
        source=source.name,
        names=list(chain.names),
        request=request.id,
        chain=chain.id,
    )
    with state.change("chain imported", ", ".join(chain.names[:3]), chain.id, events=[event]):
        note_delivery(state.store, chain, source.name, request.id, state.now)
        state.store.chains.add(
            chain,
            source=source.name,
            now=record.created_at or state.now,
            request=request.id,
            origin=record.origin,
            warnings=warnings,
            edition=EDITION,
        )
        state.store.memories.write(source.name, *memory)
