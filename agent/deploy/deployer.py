"""Deployment of many modules: groups that share no service run in parallel; recovery after a crash; removal."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from agent.deploy import staging
from agent.deploy.deploy_context import DeployContext
from agent.deploy.record import Move, TransactionRecord
from agent.deploy.retention import sweep
from agent.deploy.switching import Switching
from agent.deploy.transaction import Group, Transaction
from agent.model.deployment import Step
from agent.model.events import EventKind
from agent.planning import Deploy
from agent.rendering.enabled_modules import EnabledModules
from agent.rendering.render import Ownership

T = TypeVar("T")

MOST_THREADS = 4
NOT_YET_SWITCHED = {Step.STAGE, Step.PREPARE, Step.PREFLIGHT, Step.CHECK, Step.STAGED}


def deploy(context: DeployContext, deploys: Sequence[Deploy]) -> None:
    """Deploy what is due."""
    _run_in_parallel(context, grouped(context.enabled, deploys), lambda own, group: Transaction(own, group).run())


def grouped(enabled: EnabledModules, deploys: Sequence[Deploy]) -> list[Group]:
    """Return groups of modules, connected by the services that they share."""
    groups: list[tuple[set[str], dict[str, Deploy]]] = []
    for each in deploys:
        services = set(enabled.modules[each.module].services) or {f"module {each.module}"}
        together = {each.module: each}
        rest = []
        for known, members in groups:
            if known & services:
                services |= known
                together |= members
            else:
                rest.append((known, members))
        groups = [*rest, (services, together)]
    return [Group(members) for _services, members in groups]


def recover(context: DeployContext, *, boot: bool = False) -> list[str]:
    """Finish or undo the transactions that a crash interrupted. Return the modules concerned.

    Before the switch, what was staged is dropped. From the switch on, the step is done again, the endpoints are probed, and
    the outcome is kept or undone. At boot it is always undone: services are not running, so nothing has been seen on the wire.
    """
    touched: list[str] = []
    for row in context.store.deployments.transactions():
        record = TransactionRecord.from_json(row.id, row.job, row.record)
        _finish(context, record, Step(row.phase), boot=boot)
        touched += record.moved
        context.tell(
            EventKind.RECOVERED, f"an interrupted transaction was resumed at {row.phase}", modules=record.moved
        )
    return touched


def settle(context: DeployContext, modules: Sequence[str]) -> None:
    """Check whether services that were not running have come up."""
    present = context.store.deployments.all()
    groups = grouped(context.enabled, [Deploy(name, {}, present[name].inputs, "") for name in modules])
    records = [_unchanged_record(context, group) for group in groups]
    _run_in_parallel(context, records, lambda own, record: Switching(own, record).settle())


def retire(context: DeployContext, modules: Sequence[str]) -> None:
    """Take modules that are no longer configured out of service: first out of the services' entries, then their files and keys.

    Where a service still includes one, because it refuses every other entry, the next pass tries again.
    """
    for service in context.enabled.services:
        Transaction(context, Group({}, (service,))).run()
    named = _named_by_entries(context, context.enabled.services)
    with context.store.write():
        for module in modules:
            if f"{context.enabled.layout.module(module).state}/" not in named:
                context.store.deployments.drop(module)
                context.store.endpoints.put(module, [])
    remove_orphans(context)


def purge(context: DeployContext) -> None:
    """Remove every generation that is not in service and holds the key of a deleted chain."""
    live = {f"module:{name}": each.generation for name, each in context.store.deployments.all().items()}
    for owner, number in context.store.deployments.orphaned():
        if live.get(owner) != number:
            _remove(context, _directory_of(context, owner), number)


def remove_orphans(context: DeployContext) -> None:
    """Remove files of modules that are gone, unless the entry of some service still names them."""
    named = _named_by_entries(context, ("*",))
    for owner in context.store.deployments.owners():
        kind, _, name = owner.partition(":")
        generation_dir = _directory_of(context, owner)
        if kind != "module" or name in context.enabled.modules or f"{generation_dir.state}/" in named:
            continue
        for number in context.store.deployments.numbers(owner):
            _remove(context, generation_dir, number)
        (generation_dir.state / "live").unlink(missing_ok=True)


def _directory_of(context: DeployContext, owner: str) -> staging.GenerationDir:
    """Return the directory of a module that may no longer be configured."""
    return staging.GenerationDir(owner, context.enabled.layout.module(owner.partition(":")[2]).state, Ownership())


def _remove(context: DeployContext, generation_dir: staging.GenerationDir, number: int) -> None:
    staging.remove(generation_dir, number)
    with context.store.write():
        context.store.deployments.drop_generation(generation_dir.owner, number)


def _named_by_entries(context: DeployContext, services: Iterable[str]) -> str:
    """Return the text of the entries on disk of these services; `*` is all of them."""
    entries = (path for service in services for path in context.enabled.layout.services.glob(f"{service}/live/*"))
    return "\n".join(entry.read_text(errors="replace") for entry in entries if entry.is_file())


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
    """Do the work for each item in a thread with a database connection of its own; a single one in this thread."""
    if len(items) <= 1:
        for item in items:
            work(context, item)
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
