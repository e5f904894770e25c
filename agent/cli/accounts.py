"""Accounts of the web interface, opened for a command, and what a command has done to them in the audit record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.cli.commands import Invocation

if TYPE_CHECKING:
    from agent.auth import Accounts


@contextmanager
def opened_accounts(invocation: Invocation) -> Iterator[Accounts]:
    """Open the accounts in the store. Raises `StoreError`."""
    from agent.auth import Accounts
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store:
        yield Accounts(store)


def record(accounts: Accounts, invocation: Invocation, action: str, subject: str, detail: str = "") -> None:
    """Write into the audit record what this command has done."""
    from agent.auth.person import Audit

    actor = invocation.actor()
    accounts.audit(Audit(invocation.now(), actor.name, actor.address, action, subject, detail))
