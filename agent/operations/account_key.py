"""The ACME account key that follows the present one (RFC 8555 section 7.3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.operations.locked_state import LockedState
    from agent.pki.private_key import PrivateKey
    from agent.sources.acme.source import AcmeSource

STOPPED_BY_ACCOUNT = frozenset(
    {"source.account_refused", "source.account_unknown", "source.account_key_refused", "source.rekey_unfinished"}
)
"""Codes of failures that a new account key mends."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyChange:
    """A change of the account key at one CA."""

    new: PrivateKey
    earlier: PrivateKey | None = None
    """Key before the present one, by which the CA knows the account still; `new` is the present one then."""


def key_change(state: LockedState, source: AcmeSource) -> KeyChange:
    """Return the change of key that is to be asked for at a CA.

    Where it knows the account by an earlier key, as the settings named another CA when that was changed, it follows to the
    present one. Raises `SealBroken`, `RowDamaged`.
    """
    from agent.sources.acme.takeover import account_thumbprint

    known = account_thumbprint(source, state.store.memories)
    earlier, present = state.store.account_keys.load_retired(known), state.store.account_keys.load()
    if earlier is not None and present is not None:
        return KeyChange(present, earlier)
    return KeyChange(propose_account_key(state))


def propose_account_key(state: LockedState) -> PrivateKey:
    """Return the account key that is to follow, on disk before any CA hears of it.

    One that was proposed before and not promoted yet, because of a crash, is returned again: a CA may have taken it.
    """
    from agent.pki.account_key import make_account_key
    from agent.store.account_keys import Role

    proposed = state.store.account_keys.load(Role.NEXT)
    if proposed is None:
        proposed = make_account_key()
        with state.store.write():
            state.store.account_keys.propose(proposed, state.now)
    return proposed


def finish_key_change(state: LockedState, change: KeyChange) -> None:
    """Make a proposed key the present one, now that the CA knows the account by it.

    The next pass tells the services, which answer HTTP-01 with its thumbprint, and tries orders again that the account stopped.
    """
    with state.change("account key changed", "acme"):
        if change.earlier is None:
            state.store.account_keys.promote()
        try_stopped_orders_again(state)


def try_stopped_orders_again(state: LockedState) -> None:
    """Forget failures of orders that another account key mends. Call inside `LockedState.change`."""
    for order in state.store.orders.records():
        if order.problem and order.problem.get("code") in STOPPED_BY_ACCOUNT:
            state.store.orders.forget_failures(order.request)
