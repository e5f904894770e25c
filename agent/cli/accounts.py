"""Accounts of the web interface, opened for a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.cli.commands import Invocation

if TYPE_CHECKING:
    from agent.auth import Accounts


@contextmanager
def opened_accounts(invocation: Invocation) -> Iterator[Accounts]:
    """Open the accounts in the store; what the command changes is in the audit record. Raises `StoreError`."""
    from agent.auth import Accounts
    from agent.auth.person import Origin
    from agent.store import Store

    with Store.open_existing(invocation.layout) as store:
        yield Accounts(store, origin=Origin(invocation.actor(), invocation.now()))
