"""What happens to an appliance: each kind of trouble, how it begins and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from agent.operations.locked_state import locked_state
from agent.operations.root import reissue_root
from timemachine import machine_faults as on_machine
from timemachine.appliance import Site
from timemachine.ca import Outage
from timemachine.oracle import ACME, LOCAL, UPLOADED
from timemachine.story import Fault

if TYPE_CHECKING:
    from timemachine.run import Run

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Step = Callable[["Run", Fault], None]
LIARS = ((timedelta(-2), timedelta(-3)), (timedelta(4000), timedelta(4001)), (timedelta(-9000), timedelta(-8999)))
"""Windows that a CA suggests and that make no sense, from now."""
FURTHER_NAMES = ("a6-new.chain.dev", "a90-new.chain.dev", "c64-new.chain.dev", "l90-new.chain.dev")


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


def module_raises(run: Run, fault: Fault) -> None:
    """Let a hook of one module raise, as its settings are not what its plugin takes them for."""
    run.box.broken_modules[run.module_of(fault)] = ("declare_needs", "render_files", "probes")[fault.choice // 7 % 3]
    run.box.configure()


def module_raises_no_more(run: Run, fault: Fault) -> None:
    """Correct its settings."""
    run.box.broken_modules.pop(run.module_of(fault), None)
    run.box.configure()


def upload(run: Run, fault: Fault) -> None:
    """Upload a chain for a site; nobody brings the next one."""
    sites = [site for site in run.box.sites if site.kind != "alone"]
    name = sites[fault.choice % len(sites)].name
    chain = run.uploads.sign([name], run.now, timedelta(fault.span))
    run.administer(lambda: run.box.upload(chain))
    end = run.now + timedelta(fault.span)
    run.oracle.disturb(
        end - max(15 * DAY, timedelta(fault.span / 15)), end + 9999 * DAY, "upload", [name]
    )  # told until somebody deletes it
    run.oracle.disturb(run.now, run.now, "upload", [name])


def upload_goes(run: Run, fault: Fault) -> None:
    """Delete an upload that has ended; every third stays."""
    ended = [each.id for each in run.uploads.issued.values() if each.not_after <= run.now]
    if fault.choice % 3 and ended:
        run.administer(lambda: run.box.delete(ended[-1]))


def root(run: Run, fault: Fault) -> None:
    """Replace the root, at once or after an overlap."""
    at_once = fault.choice % 2 == 0

    def change() -> None:
        with locked_state(run.box.engine()) as state:
            reissue_root(state, at_once=at_once)
        if at_once:
            run.oracle.clients.give_up()

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


STEPS: dict[str, tuple[Step, Step]] = {
    "away": (away, nothing),
    "limited": (limited, nothing),
    "revoked": (revoked, nothing),
    "moved": (moved, nothing),
    "raises": (raises, raises_no_more),
    "module_raises": (module_raises, module_raises_no_more),
    "upload": (upload, upload_goes),
    "root": (root, nothing),
    "site": (site, site_goes),
    "ladder": (ladder, ladder_whole),
    "killed": (on_machine.killed, nothing),
    "power": (on_machine.power, on_machine.power_back),
    "suspended": (on_machine.suspended, on_machine.resumed),
    "full": (on_machine.full, on_machine.room),
    "stopped": (on_machine.stopped, on_machine.started),
    "refuses": (on_machine.refuses, on_machine.refuses_no_more),
    "deaf": (on_machine.deaf, on_machine.hears),
    "lost": (on_machine.lost, nothing),
    "restored": (on_machine.restored, on_machine.restore),
    "boot_past": (on_machine.boot_past, on_machine.right_again),
    "boot_ahead": (on_machine.boot_ahead, on_machine.right_again),
    "leap": (on_machine.leap, on_machine.right_again),
}
"""Kind -> how it begins and how it ends."""
OF_SERVICES = frozenset(("stopped", "refuses", "deaf", "module_raises"))
"""Kinds that hit one service."""
OWN_NOTES = frozenset(("revoked", "moved", "upload", "site", "restored"))
"""Kinds that tell the oracle themselves what is to be expected."""
