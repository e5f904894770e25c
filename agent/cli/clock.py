"""``chainwright clock``: what time the appliance goes by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from agent.cli.commands import WAIT, CommandGroup, Invocation
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.output import columns, note, print_json
from agent.errors.problem import rfc3339

if TYPE_CHECKING:
    from agent.system.clock_judgement import Doubt


@click.group("clock", cls=CommandGroup, no_args_is_help=True, epilog="\b\nExample:\n  $ chainwright clock show")
def clock() -> None:
    """Show whether the machine's clock is believed, or accept it."""


@clock.command(
    "show",
    example="""
$ chainwright clock show
the machine's clock  2029-11-30T12:00:00Z
believed             2026-11-30T12:00:00Z
since                2026-11-30T11:20:05Z it was set to another time while the machine ran
""",
)
@click.pass_obj
def show(invocation: Invocation) -> int:
    """Show the machine's clock, and the instant that everything is decided by. Exit code 3 where that is another one."""
    found = invocation.clock
    wall, believed, doubt = found.wall(), found(), found.doubt
    if invocation.as_json:
        since = rfc3339(_instant(doubt.since)) if doubt else None
        row = {"wall": rfc3339(wall), "believed": rfc3339(believed), "doubt": doubt.kind if doubt else None}
        print_json({"clock": {**row, "since": since}})
    else:
        rows = [["the machine's clock", rfc3339(wall)], ["believed", rfc3339(believed)], *_rows(doubt)]
        for line in columns(rows):
            click.echo(line)
    return DEGRADED if doubt else DONE


def _rows(doubt: Doubt | None) -> list[list[str]]:
    if doubt is None:
        return []
    from agent.health.clock import kind_in_words

    return [["since", f"{rfc3339(_instant(doubt.since))} {kind_in_words(doubt)}"]]


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@clock.command(
    "accept",
    example="""
$ chainwright clock accept
The machine's clock is believed: 2026-11-30T12:00:00Z.
""",
)
@click.pass_obj
def accept(invocation: Invocation) -> None:
    """Believe the machine's clock, whatever was seen before: after a look at it. The agent goes on at once."""
    from agent.operations.clock import accept_clock
    from agent.system.poke import poke

    found = invocation.clock
    accept_clock(invocation.layout, found, invocation.actor(), wait=WAIT)
    poke(invocation.layout)
    if invocation.as_json:
        print_json({"clock": {"believed": rfc3339(found())}})
    else:
        note(f"The machine's clock is believed: {rfc3339(found())}.")
