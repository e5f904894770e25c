"""Import of what other ACME clients have: their chains are judged and kept as uploads, and renewed here from then on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import AgentError, Problem
from agent.errors.operations import AlreadyUploaded, NoLineages
from agent.errors.usage import InputUnreadable
from agent.operations.lineages.certbot import CERTBOT
from agent.operations.lineages.dehydrated import DEHYDRATED
from agent.operations.lineages.lego import LEGO
from agent.operations.uploads import check_upload, diagnose_upload, store_upload
from agent.store import Store
from agent.system.layout import Layout
from agent.system.trust import read

if TYPE_CHECKING:
    from agent.inspection import Diagnosis, InputFile
    from agent.operations.effects import Switch
    from agent.operations.lineages.lineage import Client, Lineage
    from agent.operations.locked_state import LockedState

CLIENTS = {each.name: each for each in (CERTBOT, DEHYDRATED, LEGO)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One lineage, read and judged."""

    name: str
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
    known: bool = False
    """Whether the chain is here already."""
    problem: Problem | None = None


def candidates(layout: Layout, client: Client, directory: Path, now: datetime) -> list[Candidate]:
    """Read the lineages of another client and have each judged like any upload. Raises `NoLineages`, `StoreError`."""
    found = list(client.lineages(directory))
    if not found:
        raise NoLineages(str(directory), client.name, client.holds, client.usual)
    with Store.open(layout):
        pass  # an import may be the first thing that is done on an appliance
    return [_candidate(layout, each, now) for each in found]


def _candidate(layout: Layout, lineage: Lineage, now: datetime) -> Candidate:
    try:
        files = [_read(path) for path in (lineage.certificates, lineage.key)]
        return Candidate(lineage.name, diagnose_upload(layout, files, passphrase=None, now=now), None)
    except AgentError as error:
        return Candidate(lineage.name, None, error.problem)


def _read(path: Path) -> InputFile:
    """Read a file that root is told of: nobody else can have written it. Raises `InputUnreadable`."""
    from agent.inspection import InputFile

    try:
        return InputFile(path.name, read(path).data)
    except OSError as error:
        raise InputUnreadable(str(path), (error.strerror or str(error)).lower()) from error


def bring_in(state: LockedState, found: Iterable[Candidate], *, dry_run: bool) -> list[Import]:
    """Keep what can be taken, also where nothing needs it yet; `dry_run`: only say what would become of it."""
    return [_brought_in(state, each, dry_run=dry_run) for each in found]


def _brought_in(state: LockedState, candidate: Candidate, *, dry_run: bool) -> Import:
    if candidate.diagnosis is None:
        return Import(candidate.name, problem=candidate.problem)
    chain, warnings = candidate.diagnosis.chain, candidate.diagnosis.warnings
    about = candidate.name, chain.id, chain.names, chain.usable_until
    try:
        if dry_run:
            effects = check_upload(state, chain, keep_unused=True)
        else:
            effects = store_upload(state, chain, keep_unused=True, warnings=warnings)
    except AlreadyUploaded:
        return Import(*about, known=True)
    return Import(*about, switches=tuple(each for each in effects.switches if each.after == chain.id))
