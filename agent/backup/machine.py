"""Facts of the machine that a backup is of, and what differs on the machine that it is restored on."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from agent.backup.database_copy import migrations_of
from agent.backup.manifest import Machine, ModuleFacts
from agent.backup.settings_files import files_elsewhere
from agent.model.records import UPLOADED
from agent.registry.discovery import GROUP
from agent.system.addresses import own_addresses
from agent.system.command import Command
from agent.system.layout import Layout
from agent.system.listeners import listeners, processes_of
from agent.system.release import version

if TYPE_CHECKING:
    from agent.store import Store

ANY = frozenset({"0.0.0.0", "::", "localhost", ""})  # noqa: S104 - told from others, nothing listens here
COUNTED = ("accounts", "audits", "chains", "peers", "people", "roots", "tokens")
TABLES = {"accounts": "account_keys"}


def machine_of(store: Store, layout: Layout) -> Machine:
    """Return the facts of this machine."""
    return Machine(
        hostname=socket.gethostname(),
        addresses=_addresses(),
        release=version(),
        plugins=_plugins(),
        elsewhere=tuple(files_elsewhere(layout)),
        modules=tuple(_modules(store, layout)),
        counts=_counts(store),
        migrations=migrations_of(store),
    )


def _addresses() -> tuple[str, ...]:
    try:
        return own_addresses()
    except OSError:
        return ()


def _plugins() -> tuple[str, ...]:
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def _counts(store: Store) -> dict[str, int]:
    found = {word: _rows(store, TABLES.get(word, word)) for word in COUNTED}
    found["uploads"] = sum(each.source == UPLOADED for each in store.chains.records())
    return found


def _rows(store: Store, table: str) -> int:
    return int(store.database.execute(f"select count(*) from {table}").fetchone()[0])  # noqa: S608 - one of COUNTED


def _modules(store: Store, layout: Layout) -> Iterator[ModuleFacts]:
    names = {each.id: ", ".join(each.names) for each in store.chains.records()}
    for record in store.modules.all():
        bound = {
            each.slot: names.get(each.chain, "")
            for each in store.modules.bindings()
            if each.module == record.name and each.chain
        }
        owners = [f"module:{record.name}", *(f"service:{service}" for service in record.services)]
        files = [file for each in store.deployments.generations() if each.owner in owners for file in each.files]
        yield ModuleFacts(
            record.name,
            record.plugin,
            bound,
            users=_named(file.owner for file in files),
            groups=_named(file.group for file in files),
            programs=_programs(store, layout, record.name, record.services),
            addresses=(places := _places(store, record.name)),
            listeners=_listeners(places),
        )


def _named(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words) - {""}))


def _programs(store: Store, layout: Layout, module: str, services: Iterable[str]) -> tuple[str, ...]:
    own = store.footprints.module(module)
    actions = [own.reload] if own else []
    for name in services:
        if (found := store.footprints.service(name)) is not None:
            actions += [found.check, found.reload]
    argv0 = {each.argv[0] for each in actions if isinstance(each, Command)}
    return tuple(sorted(each for each in argv0 if not Path(each).is_relative_to(layout.state)))


def _places(store: Store, module: str) -> tuple[str, ...]:
    footprint = store.footprints.module(module)
    return tuple(sorted({place.address for place in footprint.places})) if footprint else ()


def _listeners(addresses: Iterable[str]) -> dict[str, str]:
    """Return who listens at the TCP ports of addresses, by port; the first process that is seen counts."""
    ports = {int(port) for each in addresses if (port := each.rpartition(":")[2]).isdecimal()}
    try:
        found = [each for each in listeners(ports) if each[0] == socket.IPPROTO_TCP] if ports else []
    except OSError:
        return {}
    names = {str(each[1]): next(iter(processes_of([each[3]]).values()), "") for each in found}
    return {port: name for port, name in names.items() if name}


def differences(then: Machine, layout: Layout) -> list[str]:
    """Return what is otherwise on this machine than on that of a backup, a sentence each."""
    return [
        *_of_the_machine(then),
        *(f"The plugin {name} is not installed here." for name in sorted({*then.plugins} - {*_plugins()})),
        *(f"The settings name {path}, which is not in the backup and not here." for path in _missing(then, layout)),
        *(sentence for module in then.modules for sentence in _of_a_module(module, {*_addresses()})),
    ]


def _of_the_machine(then: Machine) -> Iterator[str]:
    hostname, here = socket.gethostname(), set(_addresses())
    if hostname != then.hostname:
        yield f"The host name is {hostname}; it was {then.hostname}."
    if gone := [each for each in then.addresses if each not in here]:
        yield f"Addresses that are not here: {', '.join(gone)}."
    if new := sorted(here - set(then.addresses)):
        yield f"Addresses that were not there: {', '.join(new)}."
    if then.release != version():
        yield f"The release is {version()}; it was {then.release}."


def _missing(then: Machine, layout: Layout) -> list[str]:
    return [path for path in then.elsewhere if path.startswith("/") and not layout.rooted(path).exists()]


def _of_a_module(module: ModuleFacts, here: set[str]) -> Iterator[str]:
    for kind, names, find in (("user", module.users, pwd.getpwnam), ("group", module.groups, grp.getgrnam)):
        for name in names:
            if not _is_there(find, name):
                yield f"{module.name}: there is no {kind} {name}."
    for program in module.programs:
        if not _can_run(program):
            yield f"{module.name}: {program} is not installed."
    for address in module.addresses:
        host = address.rpartition(":")[0].strip("[]")
        if not address.startswith("unix:") and host not in {*ANY, *here} and not host.startswith("127."):
            yield f"{module.name}: {address} is at an address that is not here."
    now = _listeners(module.addresses)
    for port, name in now.items():
        if name != module.listeners.get(port, name):
            yield f"{module.name}: {name} listens at port {port}; it was {module.listeners[port]}."


def _is_there(find: Callable[[str], object], name: str) -> bool:
    try:
        find(name)
    except KeyError:
        return False
    return True


def _can_run(program: str) -> bool:
    from shutil import which

    return os.access(program, os.X_OK) if program.startswith("/") else which(program) is not None
