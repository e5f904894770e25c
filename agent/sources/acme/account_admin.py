"""What an administrator does about an ACME CA without ordering anything: look at the account, at limits, and ahead."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agent.errors.http01 import Http01Error
from agent.sources.acme.account import Accounts
from agent.sources.acme.ca_context import customer_of
from agent.sources.acme.client import CaProblem, CaUnreachable
from agent.sources.acme.preflight.findings import lines
from agent.system.addresses import own_addresses

if TYPE_CHECKING:
    from agent.contract.source import Office
    from agent.pki.key import PrivateKey
    from agent.sources.acme.ca_context import Customer
    from agent.sources.acme.limits import Standing
    from agent.sources.acme.resources import Account
    from agent.sources.acme.source import AcmeSource


class Care:
    """Stands on a source of the ladder and its office (`agent.operations.operations.Hand.office`)."""

    def __init__(self, source: AcmeSource, office: Office) -> None:
        self._source = source
        self._office = office
        self._customer: Customer = customer_of(source, office)

    def account(self) -> Account | None:
        """Return the account that is remembered; None: there was no order yet. No request is made."""
        return Accounts(self._office).remembered(self._customer.client)

    def registered(self) -> Account:
        """Return the account, made where there is none. Raises `AcmeError` and `LimitError`."""
        with self._explained():
            return self._customer.account(self._office)

    def roll_over(self, new: PrivateKey) -> None:
        """Have the account known by another key (RFC 8555 section 7.3.5). Raises `AcmeError`."""
        with self._explained():
            Accounts(self._office).rollover(self._customer.client.serving(self._office), new)

    def deactivate(self) -> None:
        """Give the account up for ever (RFC 8555 section 7.3.6). Raises `AcmeError`."""
        with self._explained():
            Accounts(self._office).deactivate(self._customer.client.serving(self._office))

    def standing(self, names: Collection[str]) -> list[Standing]:
        """Return how much is used up of each limit of the CA that an order for `names` is counted for."""
        return self._customer.limits.standing(names, self._office.now())

    def look(self, names: Collection[str]) -> tuple[list[str], bool]:
        """Look at what an order for `names` would meet; return lines for people, and whether it would be in vain.

        The CA is asked for nothing but its directory. Raises `AcmeError`.
        """
        with self._explained():
            directory = self._customer.client.serving(self._office).directory()
        account = self.account()
        found = self._customer.preflight.examine(
            sorted(names),
            identities=directory.caa_identities,
            account_url=account.url if account else "",
            addresses=own_addresses(),
            skew=self._customer.client.skew,
            now=self._office.now(),
            private_ca=self._source.private,
            cancelled=lambda: self._office.cancelled,
        )
        unanswered = self._unanswered(names)
        if not unanswered:
            return lines(found), bool(found.stops)
        return [*unanswered, *(lines(found) if found.all else [])], True

    def _unanswered(self, names: Collection[str]) -> list[str]:
        """Return what keeps HTTP-01 from being answered on this machine."""
        with self._customer.answers.serving():
            try:
                self._customer.answers.prepare(names, retry_at=self._office.now())
            except Http01Error as error:
                return [f"stops  {error.problem.cause}", f"       {error.problem.fix}"]
        return []

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (CaProblem, CaUnreachable) as error:
            raise self._customer.translated(error, frozenset(), self._office.now()) from error
