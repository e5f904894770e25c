"""Request and response of a route's handler."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent.api.access import Caller
from agent.api.services import ApiServices
from agent.auth.person import Actor, Audit, Origin

if TYPE_CHECKING:
    from agent.auth import Accounts
    from agent.operations.locked_state import LockedState

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request that is authenticated and valid."""

    services: ApiServices
    caller: Caller
    now: datetime
    path: Mapping[str, str] = field(default_factory=dict)
    query: Any = None
    """The route's `query` model."""
    body: Any = None
    """The route's `body` model."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    @property
    def actor(self) -> Actor:
        """The caller, as the audit record names them."""
        return Actor(self.caller.name, self.caller.address)

    def locked_state(self, job: str = "") -> AbstractContextManager[LockedState]:
        """Hold the lock for a change by the caller. `job`: that it is a part of. Raises as `ApiServices.locked_state`."""
        return self.services.locked_state(self.actor, job)

    def changed_accounts(self) -> AbstractContextManager[Accounts]:
        """Open the accounts for changes by the caller, each with its row of the audit record. Raises `StoreError`."""
        return self.services.accounts(Origin(self.actor, self.now))

    def note(self, action: str, subject: str, detail: str = "") -> None:
        """Add a row to the audit record: what was done, by whom, from where."""
        row = Audit(self.now, self.actor.name, self.actor.address, action, subject, detail)
        with self.services.accounts() as accounts:
            accounts.audit(row)


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response."""

    content: object = None
    """Bytes as they are; a dataclass or plain JSON types as JSON; None: nothing."""
    status: int = 200
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
