"""``chainwright apply``: a pass from the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from agent.cli.commands import WAIT, Invocation, command
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.output import note, print_json
from agent.cli.plan import preview
from agent.cli.words import counted
from agent.system.spans import when

if TYPE_CHECKING:
    from agent.engine.engine import Result
    from agent.engine.recheck import Recheck
    from agent.model.aim import Aim, AimOutcome
    from agent.report import Report

TIMEOUT = 300.0


def timeout_option() -> Callable[[Any], Any]:
    """Return the option of commands that wait for orders."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=TIMEOUT,
        show_default=True,
        help="Seconds for orders, and for the lock at most.",
    )


@command(
    "apply",
    example="""
$ chainwright apply
shop.example.com: local delivered a chain until 2027-02-21
reverse_proxy: generation 4 is in service
Done: 2 actions. Next: in 15 minutes.
""",
)
@click.option("--dry-run", is_flag=True, help="Say what is due, changing nothing.")
@click.option("--exit-code", is_flag=True, help="With --dry-run: exit with 10 when there is something to do.")
@timeout_option()
@click.option("--wait", type=click.FloatRange(min=0), default=WAIT, show_default=True, help="Seconds for the lock.")
@click.option("--no-wait", is_flag=True, help="Exit with 5 at once when another run holds the lock.")
@click.option("--now", is_flag=True, help="Don't wait for activation windows.")
@click.option("--look", is_flag=True, help="Check every endpoint; default: each address, and the oldest evidence.")
@click.option("--if-due", is_flag=True, help="For timers: check endpoints only when that is due.")
@click.pass_obj
def apply(
    invocation: Invocation,
    dry_run: bool,
    exit_code: bool,
    timeout: float,
    wait: float,
    no_wait: bool,
    now: bool,
    look: bool,
    if_due: bool,
) -> int:
    """Do what is due: obtain chains, deploy them, and see that they are served.

    Exit codes: 0 done or nothing to do, 1 failed, 2 settings, 3 done but something needs attention, 5 another run is at work.
    """
    if exit_code and not dry_run:
        raise click.UsageError("--exit-code goes with --dry-run.")
    if dry_run:
        return preview(invocation, exit_code=exit_code, windows=not now)
    from agent.engine.recheck import Recheck

    seconds = 0.0 if no_wait else wait
    recheck = Recheck.ALL if look else Recheck.NOTHING if if_due else Recheck.SAMPLE
    return perform(invocation, timeout=timeout, wait=seconds, windows=not now, recheck=recheck)


def perform(
    invocation: Invocation,
    *,
    timeout: float = TIMEOUT,
    wait: float = WAIT,
    windows: bool = True,
    recheck: Recheck | None = None,
    aim: Aim | None = None,
    about: Mapping[str, Any] | None = None,
) -> int:
    """Run passes until nothing is due, print what was done, and return the exit code.

    `recheck`: which endpoints to look at first; None: as a person expects, each address.
    `aim`: what the command is for, which its exit code is about; None: the whole. `about`: what it has done itself, for
    ``--json``.
    """
    from agent.cli.progress import Progress
    from agent.engine.engine import Engine
    from agent.engine.recheck import Recheck
    from agent.report import read_snapshot, report
    from agent.report.rows import plain
    from agent.system.poke import poke

    invocation.has_changed = True
    with closing(Progress(quiet=invocation.as_json)) as progress:
        engine = Engine(invocation.layout, listeners=[progress], who="chainwright apply")
        result = engine.apply(
            timeout=timeout, wait=wait, windows=windows, retry=True, recheck=recheck or Recheck.SAMPLE
        )
    poke(invocation.layout)
    now = invocation.now()
    status = result.report or report(read_snapshot(invocation.layout, now), now)
    outcome = _outcome(invocation, aim, status)
    if invocation.as_json:
        rows = {"performed": list(result.performed), "unfinished": result.unfinished, "outcome": plain(outcome)}
        print_json({**(about or {}), **rows, "status": status.to_json()})
    else:
        _print(result, status, outcome, idle=not progress.lasting)
    if outcome is not None:
        return DEGRADED if outcome.missed else DONE
    return DEGRADED if result.unfinished or status.degraded else DONE


def _outcome(invocation: Invocation, aim: Aim | None, status: Report) -> AimOutcome | None:
    """Return what became of the aim of a command."""
    from agent.operations.aims import outcome_of
    from agent.store import Store

    if aim is None:
        return None
    with Store.open_existing(invocation.layout) as store:
        return outcome_of(aim, store, status)


def _print(result: Result, status: Report, outcome: AimOutcome | None, *, idle: bool) -> None:
    from agent.cli.status import attention_lines, waiting_lines

    done = f"Done: {counted(len(result.performed), 'action')}." if result.performed else "Done."
    click.echo(f"{'Nothing to do.' if idle and not result.performed else done}{_next(status)}")
    if result.unfinished:
        note("Orders are unfinished; the next run continues them.")
    for line in _outcome_lines(outcome):
        note(line)
    attention = list(attention_lines(status))
    if outcome is not None and not outcome.missed and attention:
        note("That is done; what else is not well:")
    for line in [*waiting_lines(status), *attention]:
        note(line)


def _outcome_lines(outcome: AimOutcome | None) -> list[str]:
    """Return what became of what the command is for."""
    if outcome is None:
        return []
    reached = [f"In service as asked: {', '.join(outcome.reached)}."] if outcome.reached else []
    return [*reached, *(f"Not in service as asked: {line}" for line in outcome.missed)]


def _next(status: Report) -> str:
    return f" Next: {when(status.next_at, status.now)}." if status.next_at else ""
