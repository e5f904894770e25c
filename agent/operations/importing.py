"""Import of what other ACME clients have: their chains are judged as uploads are, and renewed here from then on."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agent.engine.clock_notes import doubt_of
from agent.engine.source_context import StoredSourceContext
from agent.errors import AgentError, Problem
from agent.errors.importing import KeyEncrypted, NewerChainThere, StagingChain
from agent.errors.operations import AlreadyUploaded, NoLineages
from agent.errors.source import OrderHeld
from agent.errors.upload import PassphraseMissing
from agent.errors.usage import InputUnreadable
from agent.operations.imported_accounts import (
    AccountCandidate,
    account_candidates,
    asked,
    source_for,
    take_over,
)
from agent.operations.imported_chains import Successor, store_renewable, successor_of
from agent.operations.lineages.authority import is_staging
from agent.operations.lineages.client_files import ClientFiles
from agent.operations.lineages.clients import holder_of
from agent.operations.locked_state import locked_state
from agent.operations.renewing_elsewhere import commands
from agent.operations.uploads import check_upload, diagnose_upload, store_upload, upload_record
from agent.registry.sources import SourceHandle
from agent.store import Store

if TYPE_CHECKING:
    from agent.auth.person import Actor
    from agent.engine.engine import Engine
    from agent.engine.source_context import SourceServices
    from agent.inspection import Diagnosis, InputFile
    from agent.operations.effects import Switch
    from agent.operations.imported_accounts import AccountImport, LookUp
    from agent.operations.lineages.lineage import Client, Lineage
    from agent.operations.locked_state import LockedState
    from agent.pki.chain import Chain
    from agent.pki.private_key import PrivateKey
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource
    from agent.system.layout import Layout


@dataclass(frozen=True, slots=True)
class Candidate:
    """One lineage, read and judged."""

    lineage: Lineage
    diagnosis: Diagnosis | None
    problem: Problem | None
    """Why it can't be taken."""


@dataclass(frozen=True, slots=True)
class Import:
    """What becomes of one lineage."""

    name: str
    chain: str = ""
    names: tuple[str, ...] = ()
    not_after: datetime | None = None
    switches: tuple[Switch, ...] = ()
    """Needs that get this chain."""
    source: str = ""
    """The source that renews it as one of its own; empty: it is kept as an upload."""
    kept_as: str = ""
    """Why it is an upload: a clause; empty where it isn't, or nothing needs it."""
    known: bool = False
    """Whether the chain is here already."""
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What becomes of all that a client has."""

    lineages: tuple[Import, ...]
    accounts: tuple[AccountImport, ...]
    stop: tuple[str, ...]
    """Commands that end the client's own renewals, as far as any were found on this machine."""


def import_from(
    engine: Engine,
    client: Client,
    directory: Path,
    *,
    dry_run: bool,
    actor: Actor | None = None,
    wait: float = 60.0,
    look_up: LookUp | None = None,
) -> Imported:
    """Take over what another client has; `dry_run`: only say what would become of it. `look_up` None: the CA is asked.

    The client's files are read, and its CA is asked whether it knows the account, without the lock. Raises `NoLineages`,
    `TooManyEntries`, `InputUnreadable`, `StoreError`, `LockHeld`, `SettingsRefused`.
    """
    files = ClientFiles(directory)
    try:
        lineages, accounts = list(client.lineages(files)), list(client.accounts(files))
    except OSError as error:
        raise InputUnreadable(str(error.filename or directory), (error.strerror or str(error)).lower()) from error
    if not lineages and not accounts:
        other = holder_of(client, directory)
        raise NoLineages(str(directory), client.name, client.holds, client.usual, *(other or ()))
    with Store.open(engine.layout):
        pass  # an import may be the first thing that is done on an appliance
    judged = [_candidate(engine.layout, files, each, engine.clock()) for each in lineages]
    try:
        with locked_state(engine, wait) as state:
            found = account_candidates(state, files, accounts)
            services = engine.workers.services(state.inputs.enabled.http01, secrets.token_hex(4))
        known = asked(found, look_up or partial(_look_up, services))
    finally:
        engine.workers.close()
    with locked_state(engine, wait, actor) as state:
        rows = take_over(state, known, dry_run=dry_run)
        brought = {each: _brought_in(state, judged[each], known, dry_run=dry_run) for each in _in_order(state, judged)}
        return Imported(
            tuple(brought[each] for each in range(len(judged))),
            tuple(rows),
            tuple(commands(engine.layout, client)),
        )


def _candidate(layout: Layout, files: ClientFiles, lineage: Lineage, now: datetime) -> Candidate:
    try:
        return Candidate(lineage, diagnose_upload(layout, _inputs(files, lineage), passphrase=None, now=now), None)
    except PassphraseMissing:
        return Candidate(lineage, None, KeyEncrypted(str(files.real(lineage.key))).problem)
    except AgentError as error:
        return Candidate(lineage, None, error.problem)


def _in_order(state: LockedState, candidates: Sequence[Candidate]) -> list[int]:
    """Return places in the order in which chains are taken, so that what is said of one stays true of it.

    Uploads serve before what a source renews; of two chains for one site, the newer one serves.
    """
    chains = [each.diagnosis.chain if each.diagnosis else None for each in candidates]
    renewed = [
        chain is not None and _is_renewed(state, chain, each) for chain, each in zip(chains, candidates, strict=True)
    ]
    issued = [chain.not_before.timestamp() if chain else 0.0 for chain in chains]
    return sorted(range(len(candidates)), key=lambda place: (renewed[place], -issued[place]))


def _is_renewed(state: LockedState, chain: Chain, candidate: Candidate) -> bool:
    try:
        return successor_of(state, chain, candidate.lineage.ca)[0] is not None
    except NewerChainThere:
        return False


def _inputs(files: ClientFiles, lineage: Lineage) -> list[InputFile]:
    found = [_input(files, path) for path in (lineage.certificates, lineage.key)]
    alone = found[0].data.count(b"-----BEGIN CERTIFICATE-----") == 1
    if alone and lineage.intermediates is not None and lineage.intermediates.exists():
        found.append(_input(files, lineage.intermediates))
    return found


def _input(files: ClientFiles, path: Path) -> InputFile:
    from agent.inspection import InputFile

    return InputFile(path.name, files.read(path))


def _look_up(services: SourceServices, source: SourceHandle, key: PrivateKey) -> Account | None:
    from agent.sources.acme.takeover import look_up

    if doubt_of(services.clock) is not None:
        raise OrderHeld(source.name)
    return look_up(cast("AcmeSource", source.source), key, StoredSourceContext(services, source, threading.Event(), {}))


def _brought_in(
    state: LockedState, candidate: Candidate, accounts: Iterable[AccountCandidate], *, dry_run: bool
) -> Import:
    name, ca = candidate.lineage.name, candidate.lineage.ca
    if candidate.diagnosis is None:
        return Import(name, problem=candidate.problem)
    chain, warnings = candidate.diagnosis.chain, candidate.diagnosis.warnings
    row = Import(name, chain.id, chain.names, chain.usable_until)
    if is_staging(ca) and source_for(state, ca) is None:
        return replace(row, problem=StagingChain(ca).problem)
    try:
        effects = check_upload(state, chain, keep_unused=True)
        successor, why_not = successor_of(state, chain, ca)
    except AlreadyUploaded:
        return replace(row, known=True)
    except NewerChainThere as error:
        return replace(row, problem=error.problem)
    if successor is None:
        if not dry_run:
            store_upload(state, chain, keep_unused=True, warnings=warnings)
        state.count_in(upload_record(chain, state.now))
        switches = tuple(each for each in effects.switches if each.after == chain.id)
        return replace(row, switches=switches, kept_as=why_not)
    switches = tuple(each for each in state.switches([*state.chains, successor.record]) if each.after == chain.id)
    if not dry_run:
        store_renewable(state, chain, successor, warnings=warnings, account=_account_at(successor, accounts))
    state.count_in(successor.record)
    return replace(row, switches=switches, source=successor.source.name)


def _account_at(successor: Successor, accounts: Iterable[AccountCandidate]) -> str:
    """Return the URL of the account by which a chain is renewed, where it was taken over."""
    name = successor.source.name
    taken = (each for each in accounts if each.source is not None and each.source.name == name)
    return next((each.row.url for each in taken if each.row.taken and each.found is not None), "")
