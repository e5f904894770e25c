"""What happens to an appliance: each kind of trouble, how it begins and how it ends."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agent.operations.locked_state import locked_state
from agent.operations.root import reissue_root
from timemachine.appliance import Site
from timemachine.ca import Outage
from timemachine.killing import killed_pass
from timemachine.oracle import ACME, LOCAL, UPLOADED
from timemachine.story import Fault

if TYPE_CHECKING:
    from timemachine.run import Run

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Step = Callable[["Run", Fault], None]
LIARS = ((timedelta(-2), timedelta(-3)), (timedelta(4000), timedelta(4001)), (timedelta(-9000), timedelta(-8999)))
"""Windows that a CA suggests and that make no sense, from now."""
FURTHER_NAMES = ("a6-new.chain.dev", "a90-new.chain.dev", "c64-new.chain.dev", "l90-new.chain.dev")
MOST_STEPS = 160
"""A pass that deploys has about so many."""


def nothing(run: Run, fault: Fault) -> None:
    """Do nothing: it ends by itself."""


# CAs


def _outage(run: Run, fault: Fault, kind: str) -> None:
    outage = Outage(run.now, run.now + timedelta(fault.span), kind)
    authorities = (run.box.ca, run.box.company)
    for authority in authorities if fault.choice % 3 == 0 else [authorities[fault.choice % 2]]:
        authority.outages.append(outage)


def away(run: Run, fault: Fault) -> None:
    """Let a CA, or both, not answer."""
    _outage(run, fault, "away")


def limited(run: Run, fault: Fault) -> None:
    """Let a CA, or both, refuse everything as too much."""
    _outage(run, fault, "limited")


def revoked(run: Run, fault: Fault) -> None:
    """Let the CA revoke a chain that is served; it says so by a renewal window that is over."""
    served = [each for each in run.served(ACME) if each.not_after > run.now]
    if not served or not run.story.suggests:
        return
    chosen = served[fault.choice % len(served)]
    run.box.ca.revoked[chosen.id] = run.now
    run.box.ca.windows[chosen.id] = run.now - 2 * DAY, run.now - DAY
    run.oracle.disturb(run.now, run.now + timedelta(fault.span), "revoked", chosen.names)


def moved(run: Run, fault: Fault) -> None:
    """Let the CA suggest another renewal window, which may make no sense."""
    served = run.served(ACME)
    if not served:
        return
    chosen = served[fault.choice % len(served)]
    lies = fault.choice % 2 == 0
    begin, end = LIARS[fault.choice % len(LIARS)] if lies else (timedelta(hours=1), timedelta(hours=9))
    run.box.ca.windows[chosen.id] = run.now + begin, run.now + end
    if not lies:
        run.oracle.disturb(run.now, run.now + timedelta(fault.span), "moved", chosen.names)


def raises(run: Run, fault: Fault) -> None:
    """Let a method of the plugin's source raise."""
    run.box.broken_method = ("offers", "due", "obtain")[fault.choice % 3]


def raises_no_more(run: Run, fault: Fault) -> None:
    """Update the plugin."""
    run.box.broken_method = ""


# Administrators


def upload(run: Run, fault: Fault) -> None:
    """Upload a chain for a site; nobody brings the next one."""
    sites = [site for site in run.box.sites if site.kind != "alone"]
    name = sites[fault.choice % len(sites)].name
    chain = run.uploads.sign([name], run.now, timedelta(fault.span))
    run.administer(lambda: run.box.upload(chain))
    end = run.now + timedelta(fault.span)
    run.oracle.disturb(end - 15 * DAY, end + 9999 * DAY, "upload", [name])  # told until somebody deletes it
    run.oracle.disturb(run.now, run.now, "upload", [name])


def root(run: Run, fault: Fault) -> None:
    """Replace the root."""

    def change() -> None:
        with locked_state(run.box.engine()) as state:
            reissue_root(state)

    run.administer(change)


def site(run: Run, fault: Fault) -> None:
    """Add a site."""
    name = FURTHER_NAMES[fault.choice % len(FURTHER_NAMES)]
    if any(each.name == name for each in run.box.sites):
        return
    kind = {"a": "names", "c": "own", "l": "alone"}[name[0]]
    run.box.sites.append(Site(name, kind, run.box.modules[fault.choice % len(run.box.modules)]))
    run.oracle.disturb(run.now, run.now, "site", [name])
    run.box.configure()


def site_goes(run: Run, fault: Fault) -> None:
    """Take the site out."""
    name = FURTHER_NAMES[fault.choice % len(FURTHER_NAMES)]
    run.box.sites = [each for each in run.box.sites if each.name != name]
    run.oracle.disturb(run.now, run.now + 8 * DAY, "site", [name])
    run.box.configure()


def ladder(run: Run, fault: Fault) -> None:
    """Take a CA out of the ladder."""
    run.box.ladder = (UPLOADED, "company", LOCAL) if fault.choice % 2 else (UPLOADED, ACME, LOCAL)
    run.box.configure()


def ladder_whole(run: Run, fault: Fault) -> None:
    """Put it back."""
    run.box.ladder = (UPLOADED, ACME, "company", LOCAL)
    run.box.configure()


# The machine


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


# Clocks

AHEAD = (timedelta(3), timedelta(40), timedelta(1000), timedelta(9000), timedelta(hours=5), timedelta(-2))
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


def _service(run: Run, fault: Fault) -> str:
    return run.box.modules[fault.choice % len(run.box.modules)]


def stopped(run: Run, fault: Fault) -> None:
    """Stop a service."""
    run.box.wire.services[_service(run, fault)].runs = False


def started(run: Run, fault: Fault) -> None:
    """Start it."""
    run.box.wire.start(_service(run, fault))


def refuses(run: Run, fault: Fault) -> None:
    """Let a service's test refuse whatever it is given."""
    run.box.wire.services[_service(run, fault)].refuses = "emerg: unknown directive"


def refuses_no_more(run: Run, fault: Fault) -> None:
    """Let it take what it is given."""
    run.box.wire.services[_service(run, fault)].refuses = ""


def deaf(run: Run, fault: Fault) -> None:
    """Let reloads of a service change nothing."""
    run.box.wire.services[_service(run, fault)].deaf = True


def hears(run: Run, fault: Fault) -> None:
    """Let reloads work."""
    run.box.wire.services[_service(run, fault)].deaf = False


STEPS: dict[str, tuple[Step, Step]] = {
    "away": (away, nothing),
    "limited": (limited, nothing),
    "revoked": (revoked, nothing),
    "moved": (moved, nothing),
    "raises": (raises, raises_no_more),
    "upload": (upload, nothing),
    "root": (root, nothing),
    "site": (site, site_goes),
    "ladder": (ladder, ladder_whole),
    "killed": (killed, nothing),
    "power": (power, power_back),
    "suspended": (suspended, resumed),
    "full": (full, room),
    "stopped": (stopped, started),
    "refuses": (refuses, refuses_no_more),
    "deaf": (deaf, hears),
    "restored": (restored, restore),
    "boot_past": (boot_past, right_again),
    "boot_ahead": (boot_ahead, right_again),
    "leap": (leap, right_again),
}
"""Kind -> how it begins and how it ends."""
OWN_NOTES = frozenset(("revoked", "moved", "upload", "site", "restored"))
"""Kinds that tell the oracle themselves what is to be expected."""
