"""New chains on request, and new tries of what has failed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors.operations import NothingToReissue
from agent.model.aim import Aim
from agent.model.binding import LadderPosition
from agent.model.records import UPLOADED
from agent.operations.consequences import need_effects
from agent.operations.effects import ChangeEffects
from agent.store.instants import read_known
from agent.system.names import parse_name

if TYPE_CHECKING:
    from agent.model.need import Need
    from agent.operations.locked_state import LockedState


NEW_KEY = "a new one was asked for"
"""Why a key is given up, a clause."""


@dataclass(frozen=True, slots=True)
class KeptUpload:
    """A name that keeps its uploaded chain, whatever is reissued."""

    name: str
    chain: str
    """Id of the uploaded chain; other sources serve the name once it is deleted."""


@dataclass(frozen=True, slots=True)
class Reissue:
    """Requests for which new chains are asked."""

    names: tuple[str, ...]
    kept: tuple[KeptUpload, ...]
    aim: Aim
    """New chains for all that no upload serves."""


def reissue_effects(state: LockedState, names: Sequence[str] = ()) -> ChangeEffects:
    """Return what new chains for these names, or all, would break. Raises `NothingToReissue` and `NameInvalid`."""
    return need_effects(state, [need.key for need in _needs_of(state, names)])


def reissue(state: LockedState, names: Sequence[str] = (), *, force: bool = False, new_key: bool = False) -> Reissue:
    """Ask for a new chain of each request that has one of `names`; all requests without names.

    `force`: at the first try, sources leave out the checks that only spare their CAs. `new_key`: also where a module keeps its
    key; the present one is never used again.
    Raises `NothingToReissue` and `NameInvalid`.
    """
    needs = _needs_of(state, names)
    asked = ", ".join(names[:5]) or "everything"
    detail = ", ".join(word for word, said in (("forced", force), ("new key", new_key)) if said)
    with state.change("reissue", asked, detail):
        if new_key:
            _give_up_keys(state, needs)
        for need in needs:
            state.store.orders.ask_again(need.request.id, state.now, force=force)
            state.store.orders.forget_failures(need.request.id)
    kept = _kept(state, needs)
    return Reissue(tuple(sorted({name for need in needs for name in need.names})), kept, _aim(state, needs, kept))


def _give_up_keys(state: LockedState, needs: Sequence[Need]) -> None:
    from agent.engine.kept_keys import give_up_keys

    for request in {need.request.id for need in needs if need.keep_key is not None}:
        give_up_keys(state.store, request, NEW_KEY, state.now)


def retry_failed(state: LockedState, action: str = "renew", detail: str = "") -> None:
    """Let every source that has failed be asked, and everything that was refused be tried, at once again.

    Records in DNS that somebody waits for are looked for too, and those that could not be removed are removed.

    `action`, `detail`: for the audit record.
    """
    with state.change(action, "everything", detail):
        for need in state.needs:
            state.store.orders.forget_failures(need.request.id)
        state.store.deployments.reset_backoff((), state.now)
        state.store.persistent.look_again()
        state.store.dns_records.try_again()


@dataclass(frozen=True, slots=True)
class Renewal:
    """What `retry_failed` lets be tried, before it does."""

    aim: Aim
    """New chains for all that is due or has failed."""
    next_at: datetime | None
    """When the next chain is due; None: none is planned."""


def renewal(state: LockedState) -> Renewal:
    """Return which needs wait for a chain.

    Those are renewals that are due, orders that failed or have not ended yet, and chains that a service refused.
    """
    planned = {chain: read_known(at) for chain, at in json.loads(state.store.meta("renewals") or "{}").items()}
    failed = {each.request for each in state.store.orders.records() if each.problem is not None}
    refused = {(each.module, each.slot) for each in state.store.deployments.refusals()}
    bindings = state.bindings()
    bound = {each.key: each.chain for each in bindings}
    waiting = {each.key for each in bindings if each.standing in {LadderPosition.FALLBACK, LadderPosition.MISSING}}
    due = {chain for chain, at in planned.items() if at <= state.now}
    uploads = {each.id for each in state.chains if each.source == UPLOADED}
    ordered = {
        need.key
        for need in state.needs
        if bound.get(need.key) in due
        or need.key in waiting
        or (need.request.id in failed and bound.get(need.key) not in uploads)
    }
    keys = [need.key for need in state.needs if need.key in ordered | refused]
    return Renewal(_another(state, keys, {bound.get(key) for key in ordered}), min(planned.values(), default=None))


def _needs_of(state: LockedState, names: Sequence[str]) -> list[Need]:
    if not names:
        return list(state.needs)
    return [need for name in names for need in _needs_with(state, name)]


def _needs_with(state: LockedState, name: str) -> list[Need]:
    wanted = parse_name(name)
    found = [need for need in state.needs if wanted in (*need.names, *need.asked)]
    if not found:
        known = sorted({each for need in state.needs for each in need.names})
        close = difflib.get_close_matches(wanted, known, 1)
        raise NothingToReissue(name, close[0] if close else "")
    return found


def _aim(state: LockedState, needs: Sequence[Need], kept: Sequence[KeptUpload]) -> Aim:
    uploaded = {each.chain for each in kept}
    bound = {each.key: each.chain for each in state.bindings()}
    keys = [need.key for need in needs if bound.get(need.key) not in uploaded]
    return _another(state, keys, {bound.get(key) for key in keys})


def _another(state: LockedState, keys: Sequence[tuple[str, str]], bound: set[str | None]) -> Aim:
    """Return the aim that these slots serve other chains than now, and than those of `bound`.

    A slot whose chain was refused is bound to that one and serves the one before: what was refused may come into service.
    """
    live = state.store.deployments.live_chains()
    present = bound | {live.get(module, {}).get(slot) for module, slot in keys}
    return Aim(tuple(keys), instead_of=tuple(chain for chain in present if chain))


def _kept(state: LockedState, needs: Sequence[Need]) -> tuple[KeptUpload, ...]:
    uploaded = {each.id for each in state.chains if each.source == UPLOADED}
    bound = {each.key: each.chain for each in state.bindings() if each.chain in uploaded}
    kept = {name: chain for need in needs if (chain := bound.get(need.key)) for name in need.names}
    return tuple(KeptUpload(*each) for each in sorted(kept.items()))
