"""What an administrator does about an ACME CA without ordering anything: look at the account, at limits, and ahead."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.errors.http01 import Http01Error
from agent.sources.acme.account import Accounts
from agent.sources.acme.ca_context import ca_context_of
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.preflight.findings import lines

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.pki.private_key import PrivateKey
    from agent.sources.acme.limits import LimitUsage
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource


class AccountAdmin:
    """Account, limits and outlook of one configured source, for `context` (`agent.operations.operations`)."""

    def __init__(self, source: AcmeSource, context: SourceContext) -> None:
        self._context = context
        self._accounts = Accounts(context)
        self._ca = ca_context_of(source, context)

    def account(self) -> Account | None:
        """Return the account that is remembered; None: there was no order yet. No request is made."""
        return self._accounts.remembered(self._ca.client)

    def registered(self) -> Account:
        """Return the account, made where there is none. Raises `AcmeError` and `LimitError`."""
        with self._explained():
            return self._ca.account(self._context)

    def roll_over(self, new: PrivateKey, earlier: PrivateKey | None = None) -> bool:
        """Have the account known by another key (RFC 8555 section 7.3.5). Raises `AcmeError`.

        `earlier`: by which the CA knows it, where that isn't the present one. False: the CA refuses the account, and the next
        order makes another one with the new key.
        """
        with self._explained():
            if earlier is not None:
                self._ca.client.use(self._context, earlier)
            return self._accounts.rollover(self._ca.client, new)

    def deactivate(self) -> None:
        """Give the account up for good (RFC 8555 section 7.3.6). Raises `AcmeError`."""
        with self._explained():
            self._accounts.deactivate(self._ca.client)

    def standing(self, names: Collection[str]) -> list[LimitUsage]:
        """Return how much is used up of each limit of the CA that an order for `names` is counted for."""
        return self._ca.limits.standing(names, self._context.now())

    def look(self, names: Collection[str]) -> tuple[list[str], bool]:
        """Look at what an order for `names` would meet; return lines for people, and whether it is certain to fail.

        The CA is asked for nothing but its directory. Raises `AcmeError`.
        """
        with self._explained():
            found = self._ca.examine(names, self.account(), self._context)
        own, would_fail = self._answered(names)
        return [*own, *(lines(found) if found.all or not own else [])], would_fail or bool(found.stops)

    def _answered(self, names: Collection[str]) -> tuple[list[str], bool]:
        """Return lines about how HTTP-01 is answered on this machine, and whether that is certain to fail."""
        with self._ca.answers.serving():
            try:
                warnings = self._ca.answers.prepare(names, retry_at=self._context.now())
            except Http01Error as error:
                return [f"stops  {error.problem.cause}", f"       {error.problem.fix}"], True
        return [f"warns  {each}" for each in warnings], False

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (CaProblem, CaUnreachable) as error:
            raise self._ca.translated(error, frozenset(), self._context.now()) from error
