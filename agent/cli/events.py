"""``chainwright events``: the newest events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command
from agent.cli.completion import complete_modules
from agent.cli.output import print_json
from agent.cli.progress import line_of
from agent.errors.problem import rfc3339

if TYPE_CHECKING:
    from agent.model.events import Event
    from agent.store import Store

PAUSE = 0.3
"""Seconds between two queries with --follow."""


@command(
    "events",
    example="""
$ chainwright events --module reverse_proxy --limit 2
2026-11-23T11:52:48Z  deployed         reverse_proxy: generation 1 is in service
2026-11-23T12:07:50Z  drift            reverse_proxy: It presents another certificate.
""",
)
@click.option("--follow", is_flag=True, help="Print new events too, until Ctrl-C; with --json an object a line.")
@click.option("--module", default="", shell_complete=complete_modules, help="Only events of one module.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, the newest.")
@click.pass_obj
def events(invocation: Invocation, follow: bool, module: str, limit: int) -> None:
    """Show what happened last, oldest first."""
    from agent.store import Store

    with Store.open_read_only(invocation.layout) as view:
        found = view.journal.since(module=module, limit=limit)
        if invocation.as_json and not follow:
            print_json({"events": [event.to_json() for event in found]})
            return
        last = _last(view)
        for event in found:
            _print(event, invocation.as_json)
        if follow:
            for event in _following(view, last, module):
                _print(event, invocation.as_json)


def _last(view: Store) -> int:
    newest = view.journal.since(limit=1)
    return newest[0].id or 0 if newest else 0


def _following(view: Store, last: int, module: str) -> Iterator[Event]:
    while True:
        view.refresh()
        for event in view.journal.since(last) if last else view.journal.since():
            last = event.id or last
            if module in {"", event.module}:
                yield event
        time.sleep(PAUSE)


def _print(event: Event, as_json: bool) -> None:
    if as_json:
        print_json(event.to_json(), one_line=True)
    else:
        click.echo(f"{rfc3339(event.at)}  {event.kind:<16} {line_of(event)}")
