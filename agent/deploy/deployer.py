"""Deployment of many modules: groups that share no service run in parallel; recovery after a crash; removal."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from agent.deploy import staging
from agent.deploy.deploy_context import DeployContext
from agent.deploy.footprints import note_footprints
from agent.deploy.record import Move, TransactionRecord
from agent.deploy.retention import sweep
from agent.deploy.retired import remove_module
from agent.deploy.retirement import Retirement
from agent.deploy.switching import Switching
from agent.deploy.transaction import Group, Transaction
from agent.model.deployment import Step
from agent.model.events import EventKind
from agent.planning import Deploy
from agent.store import Store
from agent.system.trust import read_regular

T = TypeVar("T")

MOST_THREADS = 4
NOT_YET_SWITCHED = {Step.STAGE, Step.PREPARE, Step.PREFLIGHT, Step.CHECK, Step.STAGED}


def deploy(context: DeployContext, deploys: Sequence[Deploy]) -> None:
    """Deploy what is due."""
    _run_in_parallel(context, grouped(context, deploys), lambda own, group: Transaction(own, group).run())


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
    touched: list[str] = []
    for row in context.store.deployments.transactions():
        record = TransactionRecord.from_json(row.id, row.job, row.record)
        _finish(context, record, Step(row.phase), boot=boot)
        modules = [*record.moved, *record.retired]
        touched += modules
        context.tell(EventKind.RECOVERED, f"an interrupted transaction was resumed at {row.phase}", modules=modules)
    return touched


def settle(context: DeployContext, modules: Sequence[str]) -> None:
    """Check whether services that were not running have come up."""
    present = context.store.deployments.all()
    groups = grouped(context, [Deploy(name, {}, present[name].inputs, "") for name in modules])
    records = [_unchanged_record(context, group) for group in groups]
    _run_in_parallel(context, records, lambda own, record: Switching(own, record).settle())


def retire(context: DeployContext, modules: Sequence[str]) -> None:
    """Take modules that are no longer configured out of service: out of their services' entries, then their files and keys.

    Those that share services are one transaction. What can't be taken out is stored with the reason, and tried again.
    """
    for together, services in _connected({module: _services_of(context, module) for module in modules}):
        Retirement(context, sorted(together), sorted(services)).run()


def note_missing_footprints(context: DeployContext) -> None:
    """Store the footprints of modules that earlier versions put into service."""
    note_footprints(context, _without_footprint(context.store) & set(context.enabled.modules))


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
        if live.get(owner) != number:
            staging.remove(context.module_dir(owner.partition(":")[2]), number)
            with context.store.write():
                context.store.deployments.drop_generation(owner, number)
    for owner in context.store.deployments.owners():
        kind, _, name = owner.partition(":")
        known = name in context.enabled.modules or live.get(owner) is not None
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
    entries = (path for path in context.enabled.layout.services.glob("*/live/*") if path.is_file())
    return {entry.parent.parent.name for entry in entries if place in read_regular(entry)}


def _unchanged_record(context: DeployContext, group: Group) -> TransactionRecord:
    """Return the record of a transaction that changes nothing on disk."""
    numbers = {name: context.store.deployments.all()[name].generation for name in group.deploys}
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
    switching = Switching(context, record)
    gone = [module for module in record.modules if module not in context.enabled.modules]
    if boot or gone or phase in NOT_YET_SWITCHED:
        switching.abandon()
    elif phase is Step.GOING_BACK:
        switching.abandon()
        for module in record.moved:
            sweep(context, module)
    elif phase is Step.KEEPING:
        switching.settle()
    else:
        failure = switching.forward()
        if failure is not None and switching.can_go_back():
            switching.go_back(failure)
        elif failure is not None:
            switching.keep_broken(failure)


def _run_in_parallel(context: DeployContext, items: Sequence[T], work: Callable[[DeployContext, T], object]) -> None:
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
