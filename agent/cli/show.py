"""``chainwright show``: details of one chain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from agent.cli.commands import Invocation, command
from agent.cli.completion import complete_names
from agent.cli.output import columns, print_json
from agent.errors.problem import rfc3339
from agent.errors.usage import AmbiguousId, UnknownChain
from agent.report import ChainRow, Report, Status, read_snapshot, report
from agent.report.dane import tlsa_rows
from agent.report.links import Link, links
from agent.report.records import RecordRow, record_rows
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.model.events import Event
    from agent.model.records import Watch
    from agent.model.tlsa import TlsaRow
    from agent.report import Snapshot
    from agent.store import Store
    from agent.system.layout import Layout

ID = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True, slots=True)
class Shown:
    """A chain, and what only this command shows of it."""

    row: ChainRow
    links: tuple[Link, ...]
    """Leaf, intermediates, and the root where it is known."""
    renewal: datetime | None
    files: tuple[str, ...]
    events: tuple[Event, ...]
    watch: Watch | None = None
    tlsa: tuple[TlsaRow, ...] = ()
    """Of its key, and of the one that follows."""
    records: tuple[RecordRow, ...] = ()
    """By which names are proved for good, or would be."""


@command(
    "show",
    example="""
$ chainwright show shop.example.com
id        3f9a02c41d7b...
status    local by design
names     shop.example.com
serial    21b49458f15510f7
valid     until 2027-02-21T11:52:47Z (in 90 days)
issuer    gw Root CA
""",
)
@click.argument("name", shell_complete=complete_names)
@click.pass_obj
def show(invocation: Invocation, name: str) -> None:
    """Show one chain by NAME, or by its id or the beginning of it.

    Names, serial number, validity, issuer, key type, fingerprints, who uses it, when it is renewed, and its last events.
    """
    now = invocation.now()
    snapshot = read_snapshot(invocation.layout, now)
    rows = choose(report(snapshot, now), name)
    found = [_details(invocation.layout, snapshot, row) for row in rows]
    if invocation.as_json:
        print_json({"chains": [_json(each) for each in found]})
        return
    for each in found:
        for line in columns(list(_rows(each, now))):
            click.echo(line)
        click.echo("")


def choose(found: Report, name: str) -> Sequence[ChainRow]:
    """Return the chains that are meant: those in use with this name, else the newest one; else by their id.

    Raises `UnknownChain` or `AmbiguousId`.
    """
    from agent.system.names import covers_all

    lower = name.lower().rstrip(".")
    named = [row for row in found.chains if lower in row.names] or [
        row for row in found.chains if row.status is not Status.UNUSED and covers_all(row.names, [lower])
    ]
    if named:
        used = [row for row in named if row.status is not Status.UNUSED]
        return used or [max(named, key=lambda row: row.not_before)]
    by_id = [row for row in found.chains if ID.fullmatch(lower) and row.id.startswith(lower)]
    if len(by_id) > 1:
        raise AmbiguousId(name, [row.id for row in by_id])
    if not by_id:
        raise UnknownChain(name, {each for row in found.chains for each in row.names})
    return by_id


def _details(layout: Layout, snapshot: Snapshot, row: ChainRow) -> Shown:
    from agent.store import Store

    record = next(each for each in snapshot.chains if each.id == row.id)
    with Store.open_read_only(layout) as view:
        pem = view.chains.certificates(row.id) or ""
        events = tuple(view.journal.about(row.id, record.request))
        files = tuple(_files(layout, view, snapshot, row))
        watch = view.watches.of(row.id)
        tlsa = tuple(each for each in tlsa_rows(view, snapshot.needs) if each.chain == row.id)
        records = tuple(record_rows(view.persistent.all().values(), row.names))
    return Shown(row, tuple(links(pem)), snapshot.renewals.get(row.id), files, events, watch, tlsa, records)


def _files(layout: Layout, view: Store, snapshot: Snapshot, row: ChainRow) -> Iterator[str]:
    """Yield the files in service that are made of a chain."""
    for module, slots in snapshot.live.items():
        present = snapshot.deployments.get(module)
        if row.id not in slots.values() or present is None or present.generation is None:
            continue
        generation = view.deployments.generation(f"module:{module}", present.generation)
        for file in generation.files if generation else ():
            if file.chain == row.id:
                yield str(layout.module(module).live / file.path)


def _rows(each: Shown, now: datetime) -> Iterator[list[str]]:
    row = each.row
    yield ["id", row.id]
    yield ["status", row.status.replace("_", " ")]
    if row.problem is not None:
        yield from (["", line] for line in row.problem.lines())
    yield ["names", ", ".join(row.names)]
    yield ["serial", row.serial]
    yield ["valid", f"from {rfc3339(row.not_before)}"]
    yield ["", f"until {rfc3339(row.not_after)} ({when(row.not_after, now)})"]
    yield ["issuer", row.issuer]
    yield ["source", row.came_from]
    yield ["key", row.key_type]
    for depth, link in enumerate(each.links):
        yield ["chain" if depth == 0 else "", f"{'  ' * depth}{link.subject}, until {link.not_after:%Y-%m-%d}"]
    if each.links:
        yield ["SHA-256", each.links[0].sha256]
        yield ["SHA-1", each.links[0].sha1]
    yield from _use_rows(each)
    for number, record in enumerate(each.tlsa):
        yield ["TLSA" if number == 0 else "", f"{record.owner} {record.record} ({record.key} key, {record.state})"]
    for number, known in enumerate(each.records):
        yield ["record" if number == 0 else "", f"{known.line} ({known.state})"]
    yield ["next", _plan(each, now)]
    if each.watch is not None:
        yield from (["CA" if number == 0 else "", line] for number, line in enumerate(_said(each.watch)))
    for number, event in enumerate(each.events):
        yield ["events" if number == 0 else "", f"{rfc3339(event.at)}  {event.text}"]


def _use_rows(each: Shown) -> Iterator[list[str]]:
    for number, use in enumerate(each.row.used_by):
        state = (use.deployment or "not deployed yet").replace("_", " ")
        yield ["used by" if number == 0 else "", f"{use.module}/{use.slot}: {state}; {use.reason}"]
        for endpoint in use.endpoints:
            same = "the same" if endpoint.served_sha256 == each.row.sha256 else "another"
            served = f"serves {same} chain" if endpoint.served_sha256 else "serves nothing"
            yield ["", f"  {endpoint.address} {endpoint.server_name}".rstrip() + f": {served}"]
    if not each.row.used_by:
        yield ["used by", "nobody"]
    for number, file in enumerate(each.files):
        yield ["files" if number == 0 else "", file]


def _said(watch: Watch) -> Iterator[str]:
    """Yield what the CA says of a chain, and why it could not be asked last."""
    if watch.window is not None:
        why = f", see {watch.explanation}" if watch.explanation else ""
        yield f"suggests a renewal between {rfc3339(watch.window[0])} and {rfc3339(watch.window[1])}{why}"
    if watch.problem is not None:
        yield str(watch.problem.get("cause", ""))


def _plan(each: Shown, now: datetime) -> str:
    if each.row.next_action_at is None:
        return "nothing is planned"
    what = "renewed" if each.row.next_action_at == each.renewal else "tried again"
    return f"{what} at {rfc3339(each.row.next_action_at)} ({when(each.row.next_action_at, now)})"


def _json(each: Shown) -> dict[str, Any]:
    from agent.report.rows import plain

    row: dict[str, Any] = plain(each.row)
    certificates = [plain(link) for link in each.links]
    more = {"renewal_at": plain(each.renewal), "certificates": certificates, "files": list(each.files)}
    watch = plain(each.watch) if each.watch else None
    more["tlsa"] = [plain(record) for record in each.tlsa]
    more["records"] = [plain(record) for record in each.records]
    return row | more | {"watch": watch, "events": [event.to_json() for event in each.events]}
