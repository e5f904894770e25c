"""``chainwright plan``: actions that are due, with their reasons."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command
from agent.cli.exit_codes import DUE
from agent.cli.output import print_json
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.planning import Plan


@command(
    "plan",
    example="""
$ chainwright plan
+ ask local for shop.example.com: there is no local chain yet
+ deploy reverse_proxy: another chain for shop.example.com
Nothing was changed. Do it: chainwright apply
""",
)
@click.option("--exit-code", is_flag=True, help="Exit with 10 when there is something to do.")
@click.pass_obj
def plan(invocation: Invocation, exit_code: bool) -> int:
    """Say what is due and why, changing nothing."""
    return preview(invocation, exit_code=exit_code)


def preview(invocation: Invocation, *, exit_code: bool, windows: bool = True) -> int:
    """Print the plan and return the exit code."""
    from agent.engine.engine import Engine
    from agent.planning import plan_json

    made = Engine(invocation.layout, who="chainwright plan").plan(windows=windows)
    if invocation.as_json:
        print_json(plan_json(made))
    else:
        _print(made, invocation.now())
    return DUE if exit_code and made.actions else 0


def _print(made: Plan, now: datetime) -> None:
    from agent.planning import describe

    for action in made.actions:
        click.echo(f"+ {describe(action)}")
    for module, opens in made.deferred.items():
        click.echo(f"= {module}: kept back until its activation window opens {when(opens, now)}")
    click.echo(_last_line(made, now))


def _last_line(made: Plan, now: datetime) -> str:
    if made.actions:
        return "Nothing was changed. Do it: chainwright apply"
    return f"Nothing to do. Next: {when(made.next_at, now)}." if made.next_at else "Nothing to do."
