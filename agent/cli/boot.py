"""``chainwright boot``: files for every service before it starts, in a bounded time whatever is wrong."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.output import note, print_json

if TYPE_CHECKING:
    from agent.errors.problem import Problem
    from agent.system.activity import Activity, Doing

SECONDS = 20.0
"""The whole command, with the start of its process."""
RESERVE = 0.25
"""Part of that for what comes before and after the work: loading the program, ending what hangs, saying so."""
AFTER_COMMANDS = 0.15
"""Part for what comes after the services' own tests: renames, and storing them."""
ONE_CALL = 0.25
"""Part that a plugin may take for one answer."""
COPY = 0.15
"""Part for the copy of an older version's database. Where it takes longer, there is none: files are put in place all the same."""
NOTING = 0.1
"""Part for keeping what was ended, for the status: the state may be what hangs."""


@command(
    "boot",
    example="""
$ chainwright boot
ask local for gw: there is no local chain yet
deploy webui: it has no generation yet
""",
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=SECONDS, show_default=True, help="Seconds, whatever is wrong."
)
@click.pass_obj
def boot(invocation: Invocation, timeout: float) -> int:
    """Make sure that every service has files to start with, before services start.

    Local chains and last good generations only: no network, no reload, no waiting. Settings that can't be used don't keep it
    from that: then the last good ones are, and it exits with 3. So it does when time is up, or when something is left out: then
    services start with their last good files, and the agent does the rest.
    """
    from agent.daemon.attended import attended

    deadline = time.monotonic() + timeout * (1 - RESERVE)
    commands = deadline - timeout * AFTER_COMMANDS
    avoided: frozenset[str] = frozenset()
    while True:

        def work(activity: Activity, avoided: frozenset[str] = avoided) -> int:
            return _work(invocation, activity, avoided, commands, timeout * COPY)

        found = attended(work, deadline, timeout * ONE_CALL)
        if found.code is not None:
            return DEGRADED if avoided and found.code == DONE else found.code
        _tell(invocation, found.hung, timeout * NOTING, last=time.monotonic() >= deadline)
        kind, _, name = (found.hung.subject if found.hung else "").partition(" ")
        if kind != "plugin" or name in avoided or time.monotonic() >= deadline:
            return DEGRADED
        avoided |= {name}


def _work(
    invocation: Invocation, activity: Activity, avoided: frozenset[str], deadline: float, copy_seconds: float
) -> int:
    """Do it in this process; return the exit code. `deadline`: for the services' own tests."""
    from agent.cli.program import failed

    try:
        return _boot(invocation, activity, avoided, deadline, copy_seconds)
    except Exception as error:
        return failed(error, as_json=invocation.as_json)


def _boot(
    invocation: Invocation, activity: Activity, avoided: frozenset[str], deadline: float, copy_seconds: float
) -> int:
    from agent.engine.engine import Engine
    from agent.engine.settings_in_force import KeptSettings
    from agent.system.bounded_runner import BoundedRunner
    from agent.system.command import SystemRunner

    settings, layout = KeptSettings(), invocation.layout
    runner = BoundedRunner(SystemRunner(layout.root, activity), deadline)
    engine = Engine(layout, who="chainwright boot", loader=settings, runner=runner, activity=activity)
    engine.avoided, engine.copy_seconds = avoided, copy_seconds
    done = engine.boot()
    refusal = settings.refusal
    problems = [*([refusal.problem] if refusal else []), *(each.problem for each in done.findings)]
    if invocation.as_json:
        rows = {"performed": done.performed, "refusal": refusal.problem.to_json() if refusal else None}
        print_json({**rows, "left": [each.problem.to_json() for each in done.findings]})
        return DEGRADED if problems else DONE
    for line in done.performed:
        click.echo(line)
    for problem in problems:
        for line in problem.lines():
            note(line)
    return DEGRADED if problems else DONE


def _tell(invocation: Invocation, hung: Doing | None, seconds: float, *, last: bool) -> None:
    """Say what was ended, and keep it for the status until a pass succeeds, in so many seconds."""
    from agent.daemon.attended import attended
    from agent.health.problems import boot_unfinished

    what = hung.what if hung else ""
    problem = boot_unfinished(what, round(time.monotonic() - hung.begun) if hung else 0)
    for line in problem.lines():
        note(line)
    if last and invocation.as_json:
        print_json({"performed": [], "refusal": None, "left": [problem.to_json()]})
    attended(lambda _activity: _keep(invocation, problem), time.monotonic() + seconds)


def _keep(invocation: Invocation, problem: Problem) -> int:
    from agent.engine.pass_failures import note_failure
    from agent.store import Store

    with contextlib.suppress(Exception), Store.open_existing(invocation.layout) as store:
        store.database.execute("PRAGMA busy_timeout = 500")
        note_failure(store, problem, invocation.now())
    return DONE
