"""The ACME account key that follows the present one (RFC 8555 section 7.3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.operations.locked_state import LockedState
    from agent.pki.key import PrivateKey

STOPPED_BY_ACCOUNT = frozenset({"source.account_refused", "source.account_unknown", "source.rekey_unfinished"})
"""Codes of failures that a new account key mends."""


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


def promote_account_key(state: LockedState) -> None:
    """Make the proposed key the present one, now that the CAs know the accounts by it.

    The next pass tells the services, which answer HTTP-01 with its thumbprint, and tries orders again that the account stopped.
    """
    with state.change("account key changed", "acme"):
        state.store.account_keys.promote()
        for order in state.store.orders.records():
            if order.problem and order.problem.get("code") in STOPPED_BY_ACCOUNT:
                state.store.orders.forget_failures(order.request)
