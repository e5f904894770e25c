"""What an administrator does about an ACME CA without ordering anything: look at the account, at limits, and ahead."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.model.persistent import PersistentLook, by_domain
from agent.sources.acme.account import Accounts
from agent.sources.acme.ca_context import ca_context_of
from agent.sources.acme.challenges.check import Check, check
from agent.sources.acme.challenges.methods import methods_of
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.persist.asking import look_at

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.pki.private_key import PrivateKey
    from agent.sources.acme.limits import LimitUsage
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource


class AccountAdmin:
    """Account, limits and outlook of one configured source, for `context` (`agent.operations.operations`)."""

    def __init__(self, source: AcmeSource, context: SourceContext, name: str) -> None:
        """`name`: of its table."""
        self._name = name
        self._source = source
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

    def records(self, names: Collection[str]) -> list[PersistentLook]:
        """Return the records that prove `names` for good (dns-persist-01), and what of them is in the zones now.

        The account is made where there is none. Raises `AcmeError`, `IssuersUnknown`, `AccountUnwritable`.
        """
        origin = self._source.origin
        asked = [
            PersistentLook(self._name, domain, names=those, origin=origin) for domain, those in by_domain(names).items()
        ]
        return look_at(self._source, asked, names, self._context)

    def standing(self, names: Collection[str]) -> list[LimitUsage]:
        """Return how much is used up of each limit of the CA that an order for `names` is counted for."""
        return self._ca.limits.standing(names, self._context.now())

    def look(self, names: Sequence[str]) -> Check:
        """Look at what an order for `names` would meet, by each method for each of them.

        The CA is asked for nothing but its directory. Raises `AcmeError`.
        """
        methods = methods_of(self._source, self._ca, self._context, self.account())
        try:
            with self._explained():
                return check(self._source, self._ca, methods, names, self.account(), self._context)
        finally:
            for each in methods:
                each.clean_up()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (CaProblem, CaUnreachable) as error:
            raise self._ca.translated(error, frozenset(), self._context.now()) from error
