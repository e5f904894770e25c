"""What happens to the machine of an appliance and to its services: power, sleep, disk, clocks, kills, lost and restored state."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agent.operations.locked_state import locked_state
from timemachine.killing import killed_pass
from timemachine.story import Fault

if TYPE_CHECKING:
    from timemachine.run import Run

DAY = timedelta(days=1)
MOST_STEPS = 160
"""A pass that deploys has about so many."""


def killed(run: Run, fault: Fault) -> None:
    """Kill the next pass that has something to do, at one of its steps."""
    names = [site.name for site in run.box.sites if site.kind != "alone"]
    with locked_state(run.box.engine()) as state, state.store.write():
        for need in state.needs:
            if need.names[0] == names[fault.choice % len(names)]:
                state.store.orders.ask_again(need.request.id, state.now)
    step = 1 + random.Random(fault.choice).randrange(MOST_STEPS)
    killed_pass(run.box, step, lambda box, count: box.apply(count))


def power(run: Run, fault: Fault) -> None:
    """Cut the power."""
    run.powered = False
    for service in run.box.wire.services.values():
        service.runs = False


def power_back(run: Run, fault: Fault) -> None:
    """Boot."""
    run.powered = True
    run.boot()


def suspended(run: Run, fault: Fault) -> None:
    """Let the machine sleep."""
    run.powered = False


def resumed(run: Run, fault: Fault) -> None:
    """Wake the machine."""
    run.powered = True


def full(run: Run, fault: Fault) -> None:
    """Let the disk be full."""
    run.disk.full = True


def room(run: Run, fault: Fault) -> None:
    """Let somebody make room."""
    run.disk.full = False


def restored(run: Run, fault: Fault) -> None:
    """Copy the private directory, as a backup does while no pass runs."""
    shutil.copytree(run.box.layout.private, run.copy_of(fault), symlinks=True)


def restore(run: Run, fault: Fault) -> None:
    """Put the copy in place of what is there."""
    shutil.rmtree(run.box.layout.private)
    shutil.move(run.copy_of(fault), run.box.layout.private)
    run.oracle.disturb(run.now - timedelta(fault.span), run.now + 2 * DAY, "restored")
    run.oracle.forget_served()


def lost(run: Run, fault: Fault) -> None:
    """Lose the database: the next pass takes the newest copy, and what is on disk."""
    for name in ("", "-wal", "-shm"):
        run.box.layout.database.with_name(run.box.layout.database.name + name).unlink(missing_ok=True)


# Clocks

AHEAD = (timedelta(15), timedelta(40), timedelta(1000), timedelta(9000), timedelta(hours=5), timedelta(-2))
PAST = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


def boot_past(run: Run, fault: Fault) -> None:
    """Boot without a battery: the clock begins in 1970, until somebody tells the time."""
    _set(run, PAST - run.now)
    run.boot()


def boot_ahead(run: Run, fault: Fault) -> None:
    """Boot with a clock that is wrong."""
    _set(run, AHEAD[fault.choice % len(AHEAD)])
    run.boot()


def leap(run: Run, fault: Fault) -> None:
    """Set the clock wrong under a running agent."""
    _set(run, AHEAD[fault.choice % len(AHEAD)])


def right_again(run: Run, fault: Fault) -> None:
    """Set the clock right: NTP does, or a person, who says so."""
    run.box.clock.ahead = timedelta()
    run.box.clock.synchronised = run.story.synchronised
    if not run.box.clock.synchronised:
        run.administer(run.box.believed.accept)


def _set(run: Run, ahead: timedelta) -> None:
    run.box.clock.ahead, run.box.clock.synchronised = ahead, False


# Services


def stopped(run: Run, fault: Fault) -> None:
    """Stop a service."""
    run.box.wire.services[run.module_of(fault)].runs = False


def started(run: Run, fault: Fault) -> None:
    """Start it."""
    run.box.wire.start(run.module_of(fault))


def refuses(run: Run, fault: Fault) -> None:
    """Let a service's test refuse whatever it is given."""
    run.box.wire.services[run.module_of(fault)].refuses = "emerg: unknown directive"


def refuses_no_more(run: Run, fault: Fault) -> None:
    """Let it take what it is given."""
    run.box.wire.services[run.module_of(fault)].refuses = ""


def deaf(run: Run, fault: Fault) -> None:
    """Let reloads of a service change nothing."""
    run.box.wire.services[run.module_of(fault)].deaf = True


def hears(run: Run, fault: Fault) -> None:
    """Let reloads work."""
    run.box.wire.services[run.module_of(fault)].deaf = False
