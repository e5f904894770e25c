"""What another ACME client leaves to this source: the account at its CA, and who has issued the chain of a request."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, cast

from agent.errors.acme import WHERE
from agent.errors.wording import said
from agent.pki.account_key import thumbprint
from agent.sources.acme.account import OVER, Accounts
from agent.sources.acme.client import AcmeClient
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.messages import Account, account_from, account_json
from agent.sources.acme.order_placement import issued_entry, issued_state
from agent.sources.acme.problems import translate
from agent.sources.acme.steps import OrderStep
from agent.sources.acme.values import account_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.contract.source import SourceContext
    from agent.pki.chain import Chain
    from agent.pki.private_key import PrivateKey
    from agent.registry.sources import SourceHandle
    from agent.sources.acme.source import AcmeSource
    from agent.store.source_memory import Memories

UNCONFIRMED = "unconfirmed"
"""Status of an account that was imported while its CA could not be asked."""
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


def account_thumbprint(rung: SourceHandle, memories: Memories) -> str:
    """Return the thumbprint of the key by which the CA knows the account; empty: none is remembered that can order."""
    source = cast("AcmeSource", rung.source)
    account = known_account(source, memories.read(rung.name, account_entry(source.directory_url)))
    return account.thumbprint if account else ""


def account_memory(account: Account) -> Entry:
    """Return what the source remembers of an account."""
    return account_entry(account.directory), account_json(account)


def unconfirmed_memory(source: AcmeSource, key: PrivateKey, url: str) -> Entry:
    """Return what it remembers of an account of which the CA could not be asked yet. `url`: as the other client has it."""
    return account_memory(Account(source.directory_url, url, thumbprint(key), status=UNCONFIRMED))


def confirm(client: AcmeClient, context: SourceContext) -> None:
    """Ask for an account that isn't confirmed yet, as soon as its CA can be asked; what it says is told once."""
    entry = account_entry(client.url)
    state = context.memory.read(entry)
    if (state.get("status"), state.get("thumbprint")) != (UNCONFIRMED, client.thumbprint):
        return
    with suppress(CaUnreachable), client.account_lock:
        try:
            found, reason = Accounts(context).look_up(client), "knows no account by its key"
        except CaProblem as refusal:
            if refusal.problem.type not in OVER:
                return
            found, reason = None, f"does not accept it: {said(refusal.problem.detail)}"
        context.memory.write(entry, account_json(found) if found else {})
        told = f"{found.url} is found by its key" if found else f"that was imported is not used, as the CA {reason}"
        context.progress(OrderStep.ACCOUNT, f"the account {told}")


def issued_memory(directory: str, request: str, chain: Chain, account: str) -> Entry:
    """Return what it remembers of a chain that the CA of a directory has issued. `account`: URL; empty: it isn't known."""
    return issued_entry(request), issued_state(chain.id, directory, account)
