"""What another ACME client leaves to this source: the account at its CA, and who has issued the chain of a request."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from agent.errors.acme import WHERE
from agent.sources.acme.account import Accounts, account_entry
from agent.sources.acme.client import AcmeClient
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.messages import account_from, account_json
from agent.sources.acme.order_placement import issued_entry, issued_state
from agent.sources.acme.problems import translate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.contract.source import SourceContext
    from agent.pki.chain import Chain
    from agent.pki.key import PrivateKey
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource

Entry = tuple[str, dict[str, Any]]
"""Key and state for the memory of the source."""


def look_up(source: AcmeSource, key: PrivateKey, context: SourceContext) -> Account | None:
    """Ask the CA for the account that it knows by a key; None: it knows none. Nothing changes there or here.

    Raises `AcmeError`; it is `AccountRefused` where the account is not valid any more.
    """
    trust = context.rooted(source.trust) if source.trust else None
    with closing(AcmeClient(source.directory_url, key, trust=trust, now=context.now)) as client:
        try:
            return Accounts(context).look_up(client)
        except (CaProblem, CaUnreachable) as error:
            names = frozenset[str]()
            raise translate(error, where=WHERE, names=names, attempts=0, now=context.now(), ca=source.ca) from error


def known_account(source: AcmeSource, read: Mapping[str, Any]) -> Account | None:
    """Return the account that `read`, the state at `account_entry`, is of; None: there is none that can order."""
    account = account_from(read) if read else None
    return account if account and account.status == "valid" and account.directory == source.directory_url else None


def account_memory(account: Account) -> Entry:
    """Return what the source remembers of an account."""
    return account_entry(account.directory), account_json(account)


def issued_memory(source: AcmeSource, request: str, chain: Chain, account: str) -> Entry:
    """Return what it remembers of a chain that the CA has issued. `account`: URL; empty: it isn't known."""
    return issued_entry(request), issued_state(chain.id, source.directory_url, account)
