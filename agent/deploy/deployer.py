"""Deployment of many modules: groups that share no service run in parallel; recovery after a crash; removal."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from agent.deploy.deploy_context import DeployContext
from agent.deploy.failures import as_error
from agent.deploy.footprints import note_footprints
from agent.deploy.record import Move, TransactionRecord
from agent.deploy.retention import drop
from agent.deploy.retired import remove_module
from agent.deploy.retirement import Retirement
from agent.deploy.switching import Switching
from agent.deploy.transaction import Group, Transaction
from agent.model.deployment import Step
from agent.model.events import EventKind
from agent.model.finding import Severity
from agent.planning import Deploy
from agent.store import Store
from agent.store.connection import UNDECODABLE
from agent.store.deployments import TransactionRow
from agent.system.trust import read_regular

T = TypeVar("T")

MOST_THREADS = 4
TO_BE_UNDONE = {Step.STAGE, Step.PREPARE, Step.PREFLIGHT, Step.CHECK, Step.STAGED, Step.GOING_BACK}
"""Steps before the switch, and that of going back."""


def deploy(context: DeployContext, deploys: Sequence[Deploy]) -> None:
    """Deploy what is due."""
    run_in_parallel(context, grouped(context, deploys), _deploy_group)


def _deploy_group(context: DeployContext, group: Group) -> None:
    """Deploy a group, and once more without the modules whose own paths keep the others back."""
    try:
        stuck = Transaction(context, group).run()
    except Exception as error:
        give_up(context, group.deploys, "deployment", error)
        return
    if stuck and (left := {name: each for name, each in group.deploys.items() if name not in stuck}):
        _deploy_group(context, Group(left, group.services))


def give_up(context: DeployContext, modules: Iterable[str], step: str, error: Exception) -> None:
    """Note what has failed for modules, and undo what was begun of them. Raises what is everybody's matter."""
    for name in modules:
        context.failures.note(name, as_error(error, step, name), Severity.ERROR)
    for row in context.store.deployments.transactions():
        if set(modules).intersection((*row.record.get("modules", ()), *(row.record.get("retired") or ()))):
            _recover(context, row, boot=True)


def grouped(context: DeployContext, deploys: Sequence[Deploy]) -> list[Group]:
    """Return groups of modules, connected by the services that they share, or shared when they were deployed last."""
    by_name = {each.module: each for each in deploys}
    present = {name: set(context.enabled.modules[name].services) for name in by_name}
    before = {name: footprint.services for name in by_name if (footprint := context.store.footprints.module(name))}
    groups = []
    for names, services in _connected({name: present[name].union(before.get(name, ())) for name in by_name}):
        left = services.difference(*(present[name] for name in names))
        groups.append(Group({name: by_name[name] for name in by_name if name in names}, tuple(sorted(left))))
    return groups


def _connected(services: Mapping[str, set[str]]) -> list[tuple[list[str], set[str]]]:
    """Return modules that are connected by shared services, with these services. `services`: those of each module."""
    groups: list[tuple[list[str], set[str]]] = []
    for module, used in services.items():
        touching = [group for group in groups if group[1] & used]
        names = [module, *(name for group in touching for name in group[0])]
        groups = [group for group in groups if group not in touching]
        groups.append((names, used.union(*(group[1] for group in touching))))
    return groups


def recover(context: DeployContext, *, boot: bool = False) -> list[str]:
    """Finish or undo the transactions that a crash interrupted. Return the modules concerned.

    Before the switch, what was staged is dropped. From the switch on, the step is done again, the endpoints are probed, and
    the outcome is kept or undone. At boot it is always undone: services are not running, so nothing has been seen on the wire.
    """
    return [module for row in context.store.deployments.transactions() for module in _recover(context, row, boot=boot)]


def _recover(context: DeployContext, row: TransactionRow, *, boot: bool) -> list[str]:
    """Finish or undo one transaction. What fails in it is noted for its modules, and the next one is taken."""
    try:
        record = TransactionRecord.from_json(row.id, row.job, row.record)
    except UNDECODABLE:  # what it has left is found as damage of what is in service
        with context.store.write():
            context.store.deployments.end_transaction(row.id)
        return []
    modules = [*record.moved, *record.retired]
    try:
        _finish(context, record, Step(row.phase), boot=boot)
    except Exception as error:
        for name in modules:
            context.failures.note(name, as_error(error, "recovery", name), Severity.ERROR)
        return []
    if any(each.id == row.id for each in context.store.deployments.transactions()):
        return []  # something stands in the way, which is told
    context.tell(EventKind.RECOVERED, f"an interrupted transaction was resumed at {row.phase}", modules=modules)
    return modules


def settle(context: DeployContext, modules: Sequence[str]) -> None:
    """Check whether services that were not running have come up."""
    present = context.store.deployments.all()
    groups = grouped(context, [Deploy(name, {}, present[name].inputs, "") for name in modules])
    records = [_unchanged_record(context, group) for group in groups]
    run_in_parallel(context, records, _settle)


def _settle(context: DeployContext, record: TransactionRecord) -> None:
    try:
        Switching(context, record).settle()
    except Exception as error:
        give_up(context, record.modules, "look at the service", error)


def retire(context: DeployContext, modules: Sequence[str]) -> None:
    """Take modules that are no longer configured out of service: out of their services' entries, then their files and keys.

    Those that share services are one transaction. What can't be taken out is stored with the reason, and tried again.
    """
    for together, services in _connected({module: _services_of(context, module) for module in modules}):
        try:
            Retirement(context, sorted(together), sorted(services)).run()
        except Exception as error:
            give_up(context, together, "removal", error)


def note_missing_footprints(context: DeployContext) -> None:
    """Store the footprints of modules that earlier versions put into service."""
    for module in _without_footprint(context.store) & set(context.enabled.modules):
        with context.failures.apart("footprint", module):
            note_footprints(context, [module])


def misses_footprints(store: Store) -> bool:
    """Whether there are any."""
    return bool(_without_footprint(store))


def _without_footprint(store: Store) -> set[str]:
    owners = store.footprints.owners()
    live = {name for name, each in store.deployments.all().items() if each.generation is not None}
    return {name for name in live if f"module:{name}" not in owners}


def purge(context: DeployContext) -> None:
    """Remove every generation that is not in service and holds the key of a deleted chain, or is of a module that is gone."""
    present = context.store.deployments.all()
    live = {f"module:{name}": each.generation for name, each in present.items()}
    for owner, number in context.store.deployments.orphaned():
        name = owner.partition(":")[2]
        with context.failures.apart("removal of deleted keys", name):
            error = drop(context, context.module_dir(name), number) if live.get(owner) != number else None
            if error is not None:
                raise error
    for owner in context.store.deployments.owners():
        kind, _, name = owner.partition(":")
        known = name in context.enabled.modules or live.get(owner) is not None
        with context.failures.apart("removal of the files", name):
            if kind == "module" and not known and not _entries_naming(context, name):
                remove_module(context, name)


def _services_of(context: DeployContext, module: str) -> set[str]:
    """Return the shared services that a module is part of: those that were stored, and those whose entries name it."""
    footprint = context.store.footprints.module(module)
    records = [each for each in context.store.modules.all() if each.name == module and not footprint]
    stored = footprint.services if footprint else records[0].services if records else ()
    return {*stored, *_entries_naming(context, module)}


def _entries_naming(context: DeployContext, module: str) -> set[str]:
    """Return the services whose entries on disk name a module's files."""
    place = f"{context.enabled.layout.module(module).state}/".encode()
    entries = context.enabled.layout.services.glob("*/live/*")
    return {entry.parent.parent.name for entry in entries if _names(entry, place)}


def _names(entry: Path, place: bytes) -> bool:
    """Whether a file of an entry names a directory; one that can't be read may."""
    try:
        return entry.is_file() and place in read_regular(entry)
    except OSError:
        return True


def _unchanged_record(context: DeployContext, group: Group) -> TransactionRecord:
    """Return the record of a transaction that changes nothing on disk."""
    present = context.store.deployments.all()
    numbers = {name: present[name].generation for name in group.deploys}
    return TransactionRecord(
        id=secrets.token_hex(8),
        job=context.job,
        modules={name: Move(number, number) for name, number in numbers.items()},
        entries={},
        inputs={name: deploy.inputs for name, deploy in group.deploys.items()},
        renames=(),
        differences=(),
        absent={},
    )


def _finish(context: DeployContext, record: TransactionRecord, phase: Step, *, boot: bool) -> None:
    switching = Switching(context, record, resumed=True)
    gone = [module for module in record.modules if module not in context.enabled.modules]
    if boot or gone or phase in TO_BE_UNDONE:
        switching.abandon()
    elif phase is Step.KEEPING:
        switching.settle()
    else:
        failure = switching.forward()
        if failure is not None and (failure.stuck or switching.can_go_back()):
            switching.go_back(failure)
        elif failure is not None:
            switching.keep_broken(failure)


def run_in_parallel(context: DeployContext, items: Sequence[T], work: Callable[[DeployContext, T], object]) -> None:
    """Do the work for each item in a thread with a database connection of its own.

    A single one as well: what a thread may not use is then found wherever it is used, not only where there are several.
    """
    if not items:
        return
    from concurrent.futures import ThreadPoolExecutor

    def run(item: T) -> None:
        own = context.for_thread()
        try:
            work(own, item)
        finally:
            own.store.close()

    with ThreadPoolExecutor(MOST_THREADS, "deploy") as pool:
        for done in [pool.submit(run, item) for item in items]:
            done.result()
