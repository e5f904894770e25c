"""Uploads: diagnosis, preview, storing, replacing and deleting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from agent.errors import Problem
from agent.errors.operations import (
    AlreadyUploaded,
    ChainInUse,
    NameNotCovered,
    NotDeletable,
    NotNeeded,
    OnlyKeyLost,
    UploadsNotAllowed,
)
from agent.errors.problem import rfc3339
from agent.errors.wording import few
from agent.model.events import EventKind
from agent.model.fitting import could_serve, why_unfit
from agent.model.records import UPLOADED, ChainRecord
from agent.operations.effects import Switch, UploadEffects
from agent.operations.pins import keep_pins, pinned_for, pins_without
from agent.planning.comparison import Outranked
from agent.report.links import Link, links
from agent.store import Store
from agent.system.layout import Layout
from agent.system.names import covers, covers_all, parse_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.inspection import Diagnosis, InputFile
    from agent.operations.locked_state import LockedState
    from agent.pki.chain import Chain
    from agent.pki.judgement import Objection


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UploadFinding:
    """One result of inspecting an upload."""

    level: str
    """ok, note or warning."""
    sentence: str
    """Without a full stop."""


@dataclass(frozen=True, slots=True)
class UploadPreview:
    """Effects of an upload that is not stored yet."""

    id: str
    names: tuple[str, ...]
    issuer: str
    key_type: str
    not_before: datetime
    not_after: datetime
    """The earliest end over leaf and intermediates."""
    certificates: tuple[Link, ...]
    """Leaf, intermediates, and the root where it is known."""
    findings: tuple[UploadFinding, ...]
    switches: tuple[Switch, ...]
    outranked: tuple[Outranked, ...]
    """Needs that it could serve, and that another chain goes on serving."""
    refusal: Problem | None
    """Why it would not be stored as it was asked: nobody needs it, it doesn't cover the name, or it is there already."""


class Through(Protocol):
    """Calls an inspection, or returns what was kept of the same one."""

    def __call__(self, inspect: Callable[..., T], files: Iterable[InputFile], **options: Any) -> T:
        """Return the result of the inspection. Raises what it raises."""


def direct(inspect: Callable[..., T], files: Iterable[InputFile], **options: Any) -> T:
    """Call the inspection."""
    return inspect(files, **options)


def diagnose_upload(
    layout: Layout,
    files: Iterable[InputFile],
    *,
    passphrase: bytes | None,
    now: datetime,
    for_name: str = "",
    through: Through = direct,
) -> Diagnosis:
    """Return the chain in `files`, with what was found. Raises `UploadError`, `ChainError` and `StoreError`.

    `for_name` chooses among several. A chain that an own root, present or earlier, has signed is complete without it.
    `through` calls the inspection, or returns what it has kept of the same one.
    """
    from agent.inspection import inspect_chain

    with Store.open_existing(layout) as store:
        own = "\n".join(root.certificates for root in store.roots.all())
    return through(inspect_chain, files, passphrase=passphrase, layout=layout, own=own, now=now, wanted=for_name)


def upload_preview(
    diagnosis: Diagnosis, effects: UploadEffects | None = None, refusal: Problem | None = None
) -> UploadPreview:
    """Return what is shown of an upload before it is stored."""
    from agent.pki.encoding import Part, encode

    chain = diagnosis.chain
    return UploadPreview(
        id=chain.id,
        names=chain.names,
        issuer=chain.issuer,
        key_type=str(chain.key_type),
        not_before=chain.usable_from,
        not_after=chain.usable_until,
        certificates=tuple(links(encode(chain, [Part.FULLCHAIN, Part.ROOT]).decode())),
        findings=tuple(UploadFinding(str(each.level), each.sentence) for each in diagnosis.remarks),
        switches=effects.switches if effects else (),
        outranked=effects.outranked if effects else (),
        refusal=refusal,
    )


def check_upload(
    state: LockedState, chain: Chain, *, for_name: str = "", keep_unused: bool = False, replace: str = ""
) -> UploadEffects:
    """Return which needs would get another chain by an upload that deletes the uploaded chain `replace`, and which not.

    Raises `AlreadyUploaded`, `NameNotCovered`, `NotNeeded`, `UploadsNotAllowed`; for `replace` `UnknownChain` and `NotDeletable`.
    """
    record = upload_record(chain, state.now)
    if state.record(record.id) is not None and not _brings_roots(state, chain):
        raise AlreadyUploaded(record.id)
    if for_name and not any(covers(pattern, parse_name(for_name)) for pattern in record.names):
        raise NameNotCovered(for_name, record.names)
    old = _deletable(state, replace).id if replace else None
    chains = [*(each for each in state.chains if each.id not in {old, record.id}), record]
    pins = pins_without(state, old, record) if old else None
    switches = state.switches(chains, pins)
    is_useful = for_name or any(each.chain == record.id for each in state.bindings([record]))
    if not keep_unused and not is_useful and not any(each.after == record.id for each in switches):
        _refuse_barred(state, record)
        known = {name for need in state.needs for name in need.names}
        raise NotNeeded(record.names, known, few([*_unfit(state, record)], separator="; "))
    return UploadEffects(tuple(switches), tuple(state.outranked(record, chains, pins)))


def store_upload(
    state: LockedState,
    chain: Chain,
    *,
    for_name: str = "",
    keep_unused: bool = False,
    replace: str = "",
    warnings: Iterable[Objection] = (),
) -> UploadEffects:
    """Store an upload, with what some clients refuse in it, and delete the uploaded chain `replace`.

    Raises as `check_upload` does; nothing has changed then.
    """
    from agent.pki.judge import EDITION

    effects = check_upload(state, chain, for_name=for_name, keep_unused=keep_unused, replace=replace)
    text = f"stored as {chain.id[:12]}, good until {rfc3339(chain.usable_until)}"
    event = state.event(EventKind.CHAIN_UPLOADED, text, names=list(chain.names), chain=chain.id)
    detail = f"{chain.id}, instead of {replace}" if replace else chain.id
    users = {each.module for each in state.bindings() if each.chain == chain.id}
    with state.change("chain uploaded", _subject(chain.names), detail, events=[event]):
        if state.record(chain.id) is None:
            state.store.chains.add(chain, source=UPLOADED, now=state.now, warnings=warnings, edition=EDITION)
        else:
            state.store.chains.set_roots(chain)
            state.store.deployments.forget_inputs(users)
        if replace:
            state.store.chains.delete(replace)
            keep_pins(state, pins_without(state, replace, upload_record(chain, state.now)))
    return effects


def _brings_roots(state: LockedState, chain: Chain) -> bool:
    """Whether an upload that is there already comes with roots that are not: its authority has another one now."""
    record = state.record(chain.id)
    return record is not None and record.source == UPLOADED and state.store.chains.lacks_roots(chain)


def delete_upload(state: LockedState, chain: str, *, confirmed: bool) -> list[Switch]:
    """Delete an uploaded chain; what uses it gets one of the next source.

    Raises unless `confirmed` `ChainInUse`, with who uses it and what takes over, and `OnlyKeyLost` where nobody does;
    `NotDeletable` and `UnknownChain`.
    """
    record = _deletable(state, chain)
    switches = state.without(chain)
    if switches and not confirmed:
        users = [f"{each.module}/{each.slot}" for each in switches]
        raise ChainInUse(chain, users, _successors(state, switches), pinned_for(state, chain))
    if not confirmed:
        raise OnlyKeyLost(chain, record.names)
    pinned = pinned_for(state, chain)
    what = "its key" + (f" and its pin for {', '.join(pinned)}" if pinned else "")
    event = state.event(EventKind.CHAIN_DELETED, f"{chain[:12]} was deleted, with {what}", names=list(record.names))
    with state.change("chain deleted", _subject(record.names), chain, events=[event]):
        state.store.chains.delete(chain)
        keep_pins(state, pins_without(state, chain))
    return switches


def _subject(names: Sequence[str]) -> str:
    """Return a chain's first names: what a change of it is about."""
    return ", ".join(names[:3])


def upload_record(chain: Chain, now: datetime) -> ChainRecord:
    """Return what the store knows of an upload."""
    return ChainRecord(
        id=chain.id,
        source=UPLOADED,
        names=chain.names,
        key_type=chain.key_type,
        purposes=chain.purposes,
        issuer=chain.issuer,
        serial=chain.serial,
        not_before=chain.usable_from,
        not_after=chain.usable_until,
        fingerprints=chain.fingerprints,
        created_at=now,
    )


def _refuse_barred(state: LockedState, record: ChainRecord) -> None:
    """Raise `UploadsNotAllowed` where an upload could serve needs whose sources it is not among."""
    could = [need for need in state.needs if could_serve(need, record, state.now)]
    barred = [need for need in could if UPLOADED not in state.rungs(need)]
    if barred:
        first = barred[0]
        places = [f"{need.module}/{need.slot}" for need in barred]
        own = first.sources is not None and UPLOADED not in first.sources
        raise UploadsNotAllowed(places, state.rungs(first), f"[modules.{first.module}]" if own else "")


def _unfit(state: LockedState, record: ChainRecord) -> Iterator[str]:
    """Yield why each need that has names of an upload can't be served by it."""
    for need in state.needs:
        covered = [name for name in need.names if covers_all(record.names, [name])]
        reason = why_unfit(need, record, state.now)
        if covered and reason:
            yield f"{need.module}/{need.slot} needs {few(covered)}, for which this chain is unfit, as {reason}"


def _deletable(state: LockedState, chain: str) -> ChainRecord:
    record = state.known(chain)
    if record.source != UPLOADED:
        raise NotDeletable(chain, record.source)
    return record


def _successors(state: LockedState, switches: Iterable[Switch]) -> list[str]:
    """Say what takes over, by name."""
    found = []
    for each in switches:
        record = state.record(each.after)
        takes = f"a chain of {record.source} takes over" if record else "a new local chain takes over"
        found.append(f"{each.module}/{each.slot}: {takes}")
    return found
