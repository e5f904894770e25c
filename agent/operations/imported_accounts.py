"""Accounts of other ACME clients: which one is taken over, and what its CA says of it (RFC 8555 section 7.3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from agent.errors import AgentError, Problem
from agent.errors.account import AccountRefused
from agent.errors.chain import ChainError
from agent.errors.importing import (
    AccountElsewhere,
    AccountKeyUnusable,
    AccountNotKnown,
    AccountOver,
    AccountThere,
    AccountUnasked,
    AnotherAccountTaken,
)
from agent.model.known_cas import KNOWN_DIRECTORIES
from agent.operations.account_key import try_stopped_orders_again
from agent.operations.lineages.authority import is_directory, is_staging
from agent.pki.account_key import load_account_key, thumbprint
from agent.sources.acme.source import AcmeSource

if TYPE_CHECKING:
    from agent.operations.lineages.client_files import ClientFiles
    from agent.operations.lineages.lineage import ClientAccount
    from agent.operations.locked_state import LockedState
    from agent.pki.private_key import PrivateKey
    from agent.registry.sources import SourceHandle
    from agent.sources.acme.messages import Account

LookUp = Callable[["SourceHandle", "PrivateKey"], "Account | None"]
"""Asks a CA for the account that it knows by a key; None: none. Raises `AcmeError`."""


@dataclass(frozen=True, slots=True)
class AccountImport:
    """What becomes of one account."""

    ca: str
    """As the client writes it down, or what people call it."""
    url: str
    """The account's own; empty: it isn't known."""
    taken: bool = False
    known: bool = False
    """Whether it is this appliance's already."""
    problem: Problem | None = None
    """Why it isn't taken; or of one that is, why its CA has not said that it knows it."""


@dataclass(frozen=True, slots=True, repr=False)
class AccountCandidate:
    """One account, read and compared with the settings."""

    row: AccountImport
    source: SourceHandle | None = None
    key: PrivateKey | None = None
    """With `source`, where it may be taken."""
    found: Account | None = None
    """What its CA has answered."""


def sources_of(state: LockedState) -> list[tuple[SourceHandle, AcmeSource]]:
    """Return the sources of the ladder that ask an ACME CA, each with its settings."""
    rungs = state.inputs.settings.rungs.values()
    return [(each, each.source) for each in rungs if isinstance(each.source, AcmeSource)]


def source_for(state: LockedState, ca: str) -> SourceHandle | None:
    """Return the source that asks the CA that a client means; None: none does."""
    return next((rung for rung, each in sources_of(state) if is_directory(ca, each.directory_url)), None)


def account_candidates(
    state: LockedState, files: ClientFiles, accounts: Iterable[ClientAccount]
) -> list[AccountCandidate]:
    """Read the keys of accounts, and say which may be taken over."""
    return [_candidate(state, files, each) for each in accounts]


def _candidate(state: LockedState, files: ClientFiles, account: ClientAccount) -> AccountCandidate:
    row = AccountImport(account.ca, account.url)
    source = source_for(state, account.ca)
    try:
        if source is None:
            raise AccountElsewhere(account.ca, is_staging(account.ca))
        key = _key_in(files.read(account.key))
    except AgentError as error:
        return AccountCandidate(replace(row, problem=error.problem))
    return _compared(state, AccountCandidate(replace(row, ca=source.authority), source, key))


def _key_in(data: bytes) -> PrivateKey:
    try:
        return load_account_key(data)
    except ChainError as error:
        raise AccountKeyUnusable(error.problem.cause) from None


def _compared(state: LockedState, candidate: AccountCandidate) -> AccountCandidate:
    """Return an account with what speaks against it here: one that exists by the same key of ours is not overwritten."""
    if candidate.source is None or candidate.key is None:
        return candidate
    for source, own in _own_accounts(state):
        if source.key_owner != candidate.source.key_owner:
            continue
        if own.thumbprint != thumbprint(candidate.key):
            return AccountCandidate(replace(candidate.row, problem=AccountThere(source.authority, own.url).problem))
        if source.name == candidate.source.name:
            return AccountCandidate(replace(candidate.row, url=own.url, known=True))
    return candidate


def _own_accounts(state: LockedState) -> Iterator[tuple[SourceHandle, Account]]:
    from agent.sources.acme.takeover import known_account
    from agent.sources.acme.values import account_entry

    for rung, source in sources_of(state):
        own = known_account(source, state.store.memories.read(rung.name, account_entry(source.directory_url)))
        if own is not None:
            yield rung, own


def asked(candidates: Iterable[AccountCandidate], look_up: LookUp) -> list[AccountCandidate]:
    """Return them with what their CAs say, asked without the lock: the first one that is known there is taken."""
    result: list[AccountCandidate] = []
    taken: AccountImport | None = None
    for each in candidates:
        if each.source is None or each.key is None:
            result.append(each)
        elif taken is not None:
            result.append(
                AccountCandidate(replace(each.row, problem=AnotherAccountTaken(taken.url or taken.ca).problem))
            )
        else:
            result.append(_asked(each, each.source, each.key, look_up))
            taken = result[-1].row if result[-1].row.taken else None
    return result


def _asked(candidate: AccountCandidate, source: SourceHandle, key: PrivateKey, look_up: LookUp) -> AccountCandidate:
    try:
        found = look_up(source, key)
    except AccountRefused as error:
        return AccountCandidate(replace(candidate.row, problem=AccountOver(source.authority, error.reason).problem))
    except AgentError as error:
        problem = AccountUnasked(source.authority, error.problem.cause).problem
        return replace(candidate, row=replace(candidate.row, taken=True, problem=problem))
    if found is None:
        return AccountCandidate(replace(candidate.row, problem=AccountNotKnown(source.authority).problem))
    return replace(candidate, row=replace(candidate.row, url=found.url, taken=True), found=found)


def take_over(state: LockedState, candidates: Iterable[AccountCandidate], *, dry_run: bool) -> list[AccountImport]:
    """Make the account key of the one that is to be taken ours; `dry_run`: only say what would become of them."""
    return [_taken_over(state, each, dry_run=dry_run) for each in candidates]


def _taken_over(state: LockedState, candidate: AccountCandidate, *, dry_run: bool) -> AccountImport:
    compared = _compared(state, candidate)  # an order may have made an account since
    if compared.row.taken and not dry_run:
        _keep(state, compared)
    return compared.row


def _keep(state: LockedState, candidate: AccountCandidate) -> None:
    from agent.sources.acme.takeover import account_memory, unconfirmed_memory
    from agent.sources.acme.values import account_entry

    source, key = candidate.source, candidate.key
    assert source is not None
    assert key is not None
    with state.change("account imported", source.authority, candidate.row.url):
        present = state.store.account_keys.present(source.key_owner)
        if present is None or present.thumbprint != thumbprint(key):
            state.store.account_keys.add(key, state.now, source.key_owner)
            for rung, each in sources_of(state):  # none has an account by the new key
                for directory in (*KNOWN_DIRECTORIES.values(), each.directory_url):
                    if rung.key_owner == source.key_owner:
                        state.store.memories.write(rung.name, account_entry(directory), {})
        found = candidate.found
        settings = cast("AcmeSource", source.source)
        known = account_memory(found) if found else unconfirmed_memory(settings, key, candidate.row.url)
        state.store.memories.write(source.name, *known)
        try_stopped_orders_again(state)
