"""Groups of modules that share no service are deployed side by side; what a crash left is finished first."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence

from agent.deploy import staging
from agent.deploy.deploy_context import Tools
from agent.deploy.record import Move, Record
from agent.deploy.retention import sweep
from agent.deploy.switching import Switching
from agent.deploy.transaction import Group, Transaction
from agent.model.deployment import Step
from agent.model.events import Kind
from agent.planning import Deploy
from agent.rendering.enabled_modules import Fleet
from agent.rendering.render import Ownership

AT_ONCE = 4
NOT_YET_SWITCHED = {Step.STAGE, Step.PREPARE, Step.PREFLIGHT, Step.CHECK, Step.STAGED}


def deploy(tools: Tools, deploys: Sequence[Deploy]) -> None:
    """Deploy what is due."""
    groups = grouped(tools.fleet, deploys)
    _side_by_side(tools, [_transaction(group) for group in groups])


def grouped(fleet: Fleet, deploys: Sequence[Deploy]) -> list[Group]:
    """Return groups of modules that hang together by the services that they share."""
    groups: list[tuple[set[str], dict[str, Deploy]]] = []
    for each in deploys:
        services = set(fleet.modules[each.module].services) or {f"module {each.module}"}
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


def recover(tools: Tools, *, boot: bool = False) -> list[str]:
    """Finish or undo the transactions that a crash has left. Return the modules concerned.

    Before the switch: what was staged is dropped. From the switch on: it is done again, looked at, and kept or undone;
    before the services of a booting machine have started it is undone, because nobody has seen it on the wire.
    """
    touched: list[str] = []
    for row in tools.store.deployments.transactions():
        record = Record.from_json(row.id, row.job, row.record)
        _finish(tools, record, Step(row.phase), boot=boot)
        touched += record.moved
        tools.tell(Kind.RECOVERED, f"an interrupted transaction was resumed at {row.phase}", modules=record.moved)
    return touched


def settle(tools: Tools, modules: Sequence[str]) -> None:
    """Look again whether services that weren't running have come up."""
    present = tools.store.deployments.all()
    groups = grouped(tools.fleet, [Deploy(name, {}, present[name].inputs, "") for name in modules])
    _side_by_side(tools, [_settling(_still(tools, group)) for group in groups])


def retire(tools: Tools, modules: Sequence[str]) -> None:
    """Take out modules that are no longer configured: first from the services' entries, then their files and keys.

    Where a service still includes one, because it refuses every other entry, the next pass tries again.
    """
    for service in tools.fleet.services:
        Transaction(tools, Group({}, (service,))).run()
    named = _named_by_entries(tools, tools.fleet.services)
    with tools.store.write():
        for module in modules:
            if f"{tools.fleet.layout.module(module).state}/" not in named:
                tools.store.deployments.drop(module)
                tools.store.endpoints.put(module, [])
    remove_orphans(tools)


def purge(tools: Tools) -> None:
    """Remove every generation that isn't in service and holds the key of a chain that was deleted."""
    live = {f"module:{name}": each.generation for name, each in tools.store.deployments.all().items()}
    for owner, number in tools.store.deployments.orphaned():
        if live.get(owner) != number:
            name = owner.partition(":")[2]
            staging.remove(staging.Shop(owner, tools.fleet.layout.module(name).state, Ownership()), number)
            with tools.store.write():
                tools.store.deployments.drop_generation(owner, number)


def remove_orphans(tools: Tools) -> None:
    """Remove files of modules that are gone, unless the entry of a service that is gone too still names them."""
    named = _named_by_entries(tools, ("*",))
    for owner in tools.store.deployments.owners():
        kind, _, name = owner.partition(":")
        shop = staging.Shop(owner, tools.fleet.layout.module(name).state, Ownership())
        if kind != "module" or name in tools.fleet.modules or f"{shop.state}/" in named:
            continue
        for number in tools.store.deployments.numbers(owner):
            staging.remove(shop, number)
            with tools.store.write():
                tools.store.deployments.drop_generation(owner, number)
        (shop.state / "live").unlink(missing_ok=True)


def _named_by_entries(tools: Tools, services: Iterable[str]) -> str:
    """Return the text of the entries of these services that stand on disk."""
    entries = (path for service in services for path in tools.fleet.layout.services.glob(f"{service}/live/*"))
    return "\n".join(entry.read_text(errors="replace") for entry in entries if entry.is_file())


def _still(tools: Tools, group: Group) -> Record:
    """Return a transaction that changes nothing on disk."""
    numbers = {name: tools.store.deployments.all()[name].generation for name in group.deploys}
    return Record(
        id=secrets.token_hex(8),
        job=tools.job,
        modules={name: Move(number, number) for name, number in numbers.items()},
        entries={},
        inputs={name: deploy.inputs for name, deploy in group.deploys.items()},
        placements=(),
        toggles=(),
        absent={},
    )


def _finish(tools: Tools, record: Record, phase: Step, *, boot: bool) -> None:
    switching = Switching(tools, record)
    gone = [module for module in record.modules if module not in tools.fleet.modules]
    if boot or gone or phase in NOT_YET_SWITCHED:
        switching.abandon()
    elif phase is Step.GOING_BACK:
        switching.abandon()
        for module in record.moved:
            sweep(tools, module)
    elif phase is Step.KEEPING:
        switching.settle()
    else:
        failure = switching.forward()
        if failure is not None and switching.can_go_back():
            switching.back(failure)
        elif failure is not None:
            switching.keep_broken(failure)


def _transaction(group: Group) -> Callable[[Tools], None]:
    return lambda tools: Transaction(tools, group).run()


def _settling(record: Record) -> Callable[[Tools], None]:
    return lambda tools: Switching(tools, record).settle()


def _side_by_side(tools: Tools, jobs: Sequence[Callable[[Tools], object]]) -> None:
    """Run jobs in threads, each with a database connection of its own; one alone runs in this thread."""
    if len(jobs) <= 1:
        for job in jobs:
            job(tools)
        return
    from concurrent.futures import ThreadPoolExecutor

    def run(job: Callable[[Tools], object]) -> None:
        mine = tools.for_thread()
        try:
            job(mine)
        finally:
            mine.store.close()

    with ThreadPoolExecutor(AT_ONCE, "deploy") as pool:
        for done in [pool.submit(run, job) for job in jobs]:
            done.result()
