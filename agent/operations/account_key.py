"""The ACME account key that follows the present one (RFC 8555 section 7.3.5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.operations.locked_state import LockedState
    from agent.pki.private_key import PrivateKey
    from agent.registry.sources import SourceHandle

STOPPED_BY_ACCOUNT = frozenset(
    {"source.account_refused", "source.account_unknown", "source.account_key_refused", "source.rekey_unfinished"}
)
"""Codes of failures that a new account key mends."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyChange:
    """A change of the account key at one CA."""

    new: PrivateKey
    earlier: PrivateKey | None = None
    """Another key, by which the CA knows the account still; `new` is the present one then."""
    owner: str = ""
    """Source that has the key for itself; empty: it is shared."""


def key_changes(state: LockedState, sources: Iterable[SourceHandle]) -> dict[str, KeyChange]:
    """Return by source the change of key that is to be asked for at its CA. `sources`: those that use the same key.

    A CA that knows the account by another key, as the settings named another CA when that was changed, or as its table had a
    key of its own, follows to the present one; only where none does, a new key is made. Raises `SealBroken`, `RowDamaged`.
    """
    known = {each.name: (each, _known_by(state, each)) for each in sources}
    owner = next(iter(known.values()))[0].key_owner
    present = state.store.account_keys.load(source=owner)
    behind = {
        name: KeyChange(present, earlier, owner)
        for name, (_, earlier) in known.items()
        if present and earlier is not None
    }
    if behind:
        return behind
    new = propose_account_key(state, owner)
    return {name: KeyChange(new, None, owner) for name in known}


def _known_by(state: LockedState, source: SourceHandle) -> PrivateKey | None:
    """Return the key by which a CA knows the account, where that isn't the present one."""
    from agent.sources.acme.takeover import account_thumbprint

    known = account_thumbprint(source, state.store.memories)
    keys, owner = state.store.account_keys, source.key_owner
    own = {each.thumbprint for each in (keys.present(owner), keys.proposed(owner)) if each}
    return None if known in own else keys.load_known(known)


def propose_account_key(state: LockedState, owner: str = "") -> PrivateKey:
    """Return the account key that is to follow, on disk before any CA hears of it.

    One that was proposed before and not promoted yet, because of a crash, is returned again: a CA may have taken it.
    """
    from agent.pki.account_key import make_account_key
    from agent.store.account_keys import Role

    proposed = state.store.account_keys.load(Role.NEXT, owner)
    if proposed is None:
        proposed = make_account_key()
        with state.store.write():
            state.store.account_keys.propose(proposed, state.now, owner)
    return proposed


def finish_key_change(state: LockedState, change: KeyChange) -> None:
    """Make a proposed key the present one, now that the CA knows the account by it.

    The next pass tells the services, which answer HTTP-01 with its thumbprint, and tries orders again that the account stopped.
    """
    with state.change("account key changed", change.owner or "acme"):
        if change.earlier is None:
            state.store.account_keys.promote(change.owner)
        try_stopped_orders_again(state)


def try_stopped_orders_again(state: LockedState) -> None:
    """Forget failures of orders that another account key mends. Call inside `LockedState.change`."""
    for order in state.store.orders.records():
        if order.problem and order.problem.get("code") in STOPPED_BY_ACCOUNT:
            state.store.orders.forget_failures(order.request)
