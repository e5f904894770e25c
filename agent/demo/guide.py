"""What the demo prints: where things are, what it did, and what to try."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path

from agent.auth import Accounts, Role
from agent.auth.accounts import FIRST
from agent.demo.ca import Ports
from agent.demo.files import Prepared
from agent.demo.modules import OFFERS
from agent.demo.ports import LOOPBACK
from agent.demo.requirements import MissingRequirement
from agent.demo.schemes import protocols_of_mail
from agent.model.deployment import EndpointRecord, Outcome
from agent.store import Store
from agent.system.layout import Layout

SHOWN = 3
"""Endpoints to try."""
WEBUI = "webui"
MAIL = "mail"
"""No browser goes there."""
CALLED_AS = "CHAINWRIGHT_CALLED_AS"
"""Set by a script that runs the command and says ``--root`` by itself."""


def root_file(layout: Layout) -> Path:
    """Return where the demo puts the root's certificate for the commands that it prints."""
    return layout.root / "root.pem"


def roots_file(layout: Layout) -> Path:
    """Return where the demo puts the root's certificate, and those of its CA: whatever is served ends in one of them."""
    return layout.root / "roots.pem"


def guide(layout: Layout, store: Store, prepared: Prepared, now: datetime) -> list[str]:
    """Return the lines for an appliance that is up. While no administrator has chosen a password, it sets a one-time one."""
    known = store.endpoints.all()
    endpoints = [
        each for each in known if each.module != MAIL and not each.server_name.startswith("chainwright-probe.")
    ]
    return [
        f"Demo appliance, its state is in {layout.root}",
        *_modules(endpoints),
        *_mail(layout, [each for each in known if each.module == MAIL]),
        *_done(store, prepared.ca),
        *_problems(store),
        *[_missing(each) for each in prepared.missing],
        *prepared.notes,
        *([_login(layout, Accounts(store), now)] if any(each.module == WEBUI for each in known) else []),
        "Try:",
        *_commands(layout, sorted(filter(_is_page, endpoints), key=lambda each: each.module != WEBUI)),
        f"Ctrl-C stops it; its state stays. Settings: {layout.conf_d}  Log: {layout.log / 'agent.daemon.log'}",
    ]


def command_line(layout: Layout, *arguments: str) -> str:
    """Return how to call `chainwright` on this appliance, as it can be typed."""
    wrapper = os.environ.get(CALLED_AS)
    if wrapper:
        return shlex.join((wrapper, *arguments))
    program = sys.argv[0] if sys.argv and Path(sys.argv[0]).name == "chainwright" else "chainwright"
    short = "chainwright" if shutil.which("chainwright") == program else program
    return shlex.join((short, "--root", str(layout.root), *arguments))


def how_to_add(package: str, installation: str = "") -> str:
    """Return what brings a package, or what no package has, in words."""
    wrapper = os.environ.get(CALLED_AS)
    how = (
        f"{shlex.join((wrapper, '--with-services'))}, as root"
        if wrapper
        else installation or f"apt-get install {package}"
    )
    return f"{how}, adds it"


def _modules(endpoints: Iterable[EndpointRecord]) -> Iterator[str]:
    """One line a module: the addresses at which it is seen."""
    found: dict[str, list[str]] = defaultdict(list)
    for endpoint in endpoints:
        if not endpoint.address.startswith("unix:"):
            found[endpoint.module].append(_url(endpoint) if _is_page(endpoint) else _place(endpoint))
    for module, urls in sorted(found.items(), key=lambda item: item[0] != WEBUI):
        yield f"  {module:<14} {'  '.join(dict.fromkeys(urls))}"


def _mail(layout: Layout, endpoints: Iterable[EndpointRecord]) -> Iterator[str]:
    """Name the protocols of mail with their ports, after the names that each is seen to serve."""
    protocols = protocols_of_mail(layout)
    names = dict.fromkeys(each.server_name for each in endpoints)
    ports = {each.address: each.address.rpartition(":")[2] for each in endpoints}
    seen = [f"{protocol} {ports[address]}" for address, protocol in protocols.items() if address in ports]
    if seen:
        yield f"  {MAIL:<14} {_listed(list(names))}: {', '.join(seen)}"


def _login(layout: Layout, accounts: Accounts, now: datetime) -> str:
    """Say how to get into the web interface."""
    another = command_line(layout, "webui", "password", "--one-time")
    administrators = [each for each in accounts.all() if each.role is Role.ADMIN]
    chosen = [each.name for each in administrators if not each.must_change]
    if chosen:
        name = FIRST if FIRST in chosen else chosen[0]
        return f"Log in as {name} with the password that you chose (forgotten: {another} {name})."
    name = administrators[0].name if administrators else FIRST
    password = accounts.one_time_password(name, now)
    return f"Log in as {name} with the one-time password {password} (another one: {another} {name})."


def _url(endpoint: EndpointRecord) -> str:
    return f"https://{_place(endpoint)}/"


def _place(endpoint: EndpointRecord) -> str:
    port = endpoint.address.rpartition(":")[2]
    return f"{endpoint.server_name or 'localhost'}:{port}"


def _is_page(endpoint: EndpointRecord) -> bool:
    return endpoint.module not in {each.module for each in OFFERS if not each.pages}


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _done(store: Store, ca: Ports | None) -> Iterator[str]:
    root = store.roots.present()
    if root is None:
        return
    in_use = {binding.chain for binding in store.modules.bindings() if binding.chain}
    sources = Counter(each.source for each in store.chains.records() if each.id in in_use)
    live = sorted(_live(store) - _unseen(store).keys())
    seen = f", seen to be served by {_listed(live)}" if live else ""
    yield f'Its own root "{root.subject}" has signed {_chains(sources["local"])}{seen}.'
    if ca:
        done = f"has signed {_chains(sources['acme'])}" if sources["acme"] else "is being asked for chains"
        yield f"Its CA, a Pebble at {ca.url}, {done} in place of local ones."


def _live(store: Store) -> set[str]:
    return {name for name, each in store.deployments.all().items() if each.outcome is Outcome.LIVE}


def _unseen(store: Store) -> dict[str, EndpointRecord]:
    """Return an endpoint of each module that did not serve at the last look: what was deployed well may have ended since."""
    return {each.module: each for each in store.endpoints.all() if not (each.ok or each.further)}


def _chains(number: int) -> str:
    return f"{number} chain{'' if number == 1 else 's'}"


def _problems(store: Store) -> Iterator[str]:
    for name, deployment in sorted(store.deployments.all().items()):
        if deployment.outcome is not Outcome.LIVE and deployment.problem is not None:
            yield f"{name} is {deployment.outcome}: {deployment.problem.cause}"
    for name, endpoint in _unseen(store).items():
        if name in _live(store):
            why = f": {endpoint.problem.cause}" if endpoint.problem else "."
            yield f"{name} is not seen to be served at {endpoint.address}{why}"


def _missing(hindrance: MissingRequirement) -> str:
    cure = f" ({how_to_add(hindrance.package, hindrance.installation)})" if hindrance.package else ""
    return f"{hindrance.module} is not shown: {hindrance.reason}{cure}."


def _commands(layout: Layout, endpoints: Iterable[EndpointRecord]) -> Iterator[str]:
    yield f"  {command_line(layout, 'status')}"
    for endpoint in islice(endpoints, SHOWN):
        yield f"  {shlex.join(_curl(layout, endpoint))}"


def _curl(layout: Layout, endpoint: EndpointRecord) -> list[str]:
    port = endpoint.address.rpartition(":")[2]
    name = endpoint.server_name
    resolve = ["--resolve", f"{name}:{port}:{LOOPBACK}"] if name else []
    return ["curl", "-L", "--cacert", str(roots_file(layout)), *resolve, _url(endpoint)]
