"""A run of one story: time jumps to the next instant at which something is due, and the oracle looks on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from agent.engine.copying import COPIED_AT
from agent.engine.integrity import CHECKED_AT
from agent.engine.recheck import Recheck
from agent.errors import AgentError
from timemachine.appliance import Appliance, Site, appliance
from timemachine.ca import Authority
from timemachine.disk import Disk
from timemachine.facts import Facts
from timemachine.faults import OF_SERVICES, OWN_NOTES, STEPS
from timemachine.findings import Fact, FindingsOracle
from timemachine.oracle import ACME, COMPANY, PATIENCE, UPLOADED, Oracle, Violation
from timemachine.story import Fault, Story
from timemachine.wire import Loaded

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
QUARTER = 15 * MINUTE
COARSE = 12 * DAY
"""Passes of quiet times are so far apart, though the agent would like to be asked more often."""
PART = 4
"""But no farther than such a part of the shortest lifetime."""
NEAR = 4
"""Nor than such a part of the time that is left until a chain ends."""
SINCE = 2
"""Nor than such a part of the time that has passed since something happened."""
AFTER = 2 * DAY
"""So long after something that was in the way the agent has done what it could not."""
LONGEST_LIFE = 90 * DAY
"""Of a chain of a CA."""
TRYING = "source.", "status.overdue", "status.local_fallback"
"""While it says one of these, it is asked once a day at least."""
LATE = 3 * DAY
"""So long after something happened it is asked once a day at least."""
DAILY_WORK = COPIED_AT, CHECKED_AT
RETRY = 10 * MINUTE
"""After a pass that failed, as `agent.daemon.schedule` has it in the end."""
LABELS = ("a90", "l90", "a64", "c90", "a45", "l90", "a90", "c64")
"""Kinds of names in turn: whose chain, and its lifetime in days."""
KINDS = {"a": "names", "c": "own", "l": "alone"}
SITES_OF_A_MODULE = 25
FEWEST_MODULES = 3


@dataclass
class Outcome:
    """What came of a run."""

    violations: list[Violation]
    passes: int = 0
    orders: int = 0
    faults: int = 0
    years: float = 0.0
    minutes: float = 0.0

    def add(self, other: Outcome) -> None:
        """Add the figures of another run."""
        self.violations += other.violations
        self.passes += other.passes
        self.orders += other.orders
        self.faults += other.faults
        self.years += other.years
        self.minutes += other.minutes


def sites_of(number: int) -> list[Site]:
    """Return so many sites of all kinds, in some modules."""
    modules = max(FEWEST_MODULES, -(-number // SITES_OF_A_MODULE))
    labels = [LABELS[each % len(LABELS)] for each in range(number)]
    return [
        Site(f"{label}-{each}.chain.dev", KINDS[label[0]], f"m{each % modules}") for each, label in enumerate(labels)
    ]


def play(story: Story, *, first_only: bool = False) -> Outcome:
    """Run a story to its end, or to the first thing that must not be."""
    with appliance(story.seed, sites_of(story.chains), root_days=story.root_days) as box:
        run = Run(story, box, first_only=first_only)
        with run.disk.watched():
            return run.play()


@dataclass
class Run:
    """One run under way."""

    story: Story
    box: Appliance
    first_only: bool = False
    powered: bool = True
    passes: int = 0
    faults: int = 0
    _wake: datetime = field(init=False)
    _wanted: datetime = field(init=False)
    """When the agent would like to be asked next."""
    _disturbed: datetime = field(init=False)
    _able_since: datetime = field(init=False)
    _recheck: Recheck = Recheck.NOTHING
    """Whether something may have changed at services: the daemon watches them."""

    def __post_init__(self) -> None:
        self.begin = self.now
        self.box.ca.suggests = self.story.suggests
        self.box.clock.synchronised = self.story.synchronised
        self.uploads = Authority("Upload CA", self.story.seed + 2_000_000, self.now)
        (self.box.layout.trust / "Upload.pem").write_bytes(self.uploads.root_pem)
        self.oracle = Oracle({ACME: self.box.ca, COMPANY: self.box.company, UPLOADED: self.uploads})
        self.disk = Disk(self.box.root)
        self._wake = self._wanted = self._disturbed = self._able_since = self.now
        self._was_able = True
        self._troubled = False
        """Whether the agent tries something again and again."""

    @property
    def now(self) -> datetime:
        """Return the true time."""
        return self.box.clock.true

    @property
    def error(self) -> timedelta:
        """Return by how much the time that the agent believes is wrong."""
        return abs(self.box.believed() - self.now)

    def play(self) -> Outcome:
        """Run to the end."""
        self.boot()
        for at, step in self._timeline():
            self._until(at)
            if self._stops:
                break
            step()
        else:
            self._until(self.begin + timedelta(self.story.years * 365))
        orders = sum(len(each.issued) for each in (self.box.ca, self.box.company))
        years = (self.now - self.begin) / (365 * DAY)
        return Outcome(self.oracle.violations, self.passes, orders, self.faults, years, self.oracle.minutes)

    @property
    def _stops(self) -> bool:
        return self.first_only and bool(self.oracle.violations)

    def _timeline(self) -> list[tuple[datetime, Callable[[], None]]]:
        steps = []
        for fault in self.story.faults:
            at = self.begin + timedelta(fault.day)
            steps.append((at, lambda fault=fault: self._begin(fault)))
            steps.append((at + timedelta(fault.span), lambda fault=fault: self._end(fault)))
        last = self.begin + timedelta(self.story.years * 365)
        return sorted((each for each in steps if each[0] <= last), key=lambda each: each[0])

    def _begin(self, fault: Fault) -> None:
        if self.powered and self._wanted < self.now < self._wake:  # what was put off would have been done by now
            self._pass()
        self.faults += 1
        end = self.now + timedelta(fault.span)
        self._disturbed = self.now
        if fault.kind not in OWN_NOTES:
            self.oracle.disturb(self.now, end, fault.kind, self._names_of(fault))
        STEPS[fault.kind][0](self, fault)
        self._wake, self._recheck = self.now, Recheck.ALL

    def _names_of(self, fault: Fault) -> Sequence[str]:
        """Return the names that a fault is about; none: about all."""
        return self.box.names_by_module()[self.module_of(fault)] if fault.kind in OF_SERVICES else ()

    def module_of(self, fault: Fault) -> str:
        """Return the module whose service a fault hits."""
        return self.box.modules[fault.choice % len(self.box.modules)]

    def _end(self, fault: Fault) -> None:
        self._disturbed = self.now
        STEPS[fault.kind][1](self, fault)
        self._wake, self._recheck = self.now, Recheck.ALL

    # Time

    def _until(self, at: datetime) -> None:
        while not self._stops and self.powered and self._wake < at:
            self._go_to(self._wake)
            self._pass()
        self._go_to(at)

    def _go_to(self, at: datetime) -> None:
        """Let time pass, and judge what is served meanwhile."""
        begin, end = self.now, max(at, self.now)
        able = self.powered and not self.disk.full and self.error < HOUR
        if able and not self._was_able:
            self._able_since = begin
        self._was_able = able
        judged_from = max(begin, self._able_since + PATIENCE)
        if able and judged_from < end:
            for module, service in self.box.wire.services.items():
                self.oracle.signed_by_retired(service, end)
                if service.takes and module not in self.box.broken_modules:
                    self.oracle.served(service, judged_from, end, self.box.ladder)
        self.box.clock.advance_to(end)

    def _pass(self) -> None:
        self.passes += 1
        self._spare_daily_work()
        try:
            made = self.box.apply(recheck=self._recheck).plan
        except AgentError as error:
            if not self.disk.full:
                self.oracle.tell(self.now, "failed", f"a pass failed: {error}")
            self._wake = self.now + (RETRY if not self.disk.full else 6 * HOUR)
            return
        self._recheck = Recheck.NOTHING
        believed = self.box.believed()
        wanted = made.next_at - believed if made.next_at else 400 * DAY
        exact = self.oracle.was(
            self.now - LONGEST_LIFE, "boot_ahead", "leap"
        )  # pauses may have been noted ahead of time
        renewals = [each - believed for each in made.renewals.values() if exact and each > believed]
        self._wanted = self.now + wanted
        self._wake = max(self._wanted, self.now + min([self._gap(), *renewals]))
        self._judge()

    def _gap(self) -> timedelta:
        """Return how far the next pass is at least: near where something changes, little; in quiet times, days."""
        served = [each for service in self.box.wire.services.values() for each in service.serves.values()]
        gaps = [COARSE]
        for each in served:
            lifetime = each.not_after - each.not_before
            gaps += [lifetime / PART, max((each.not_after - self.now) / NEAR, QUARTER)]
        since = self.now - self._disturbed
        if since < LATE:
            gaps.append(min(max(since / SINCE, MINUTE), DAY))
        gaps += [DAY] if self._troubled else []
        return min(gaps)

    def _spare_daily_work(self) -> None:
        """Have the agent check and copy its database at most in every 16th pass: that costs more than the rest."""
        if self.passes % 16 and not self.disk.full:
            now = self.box.believed().isoformat()
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(self.box.layout.database)) as base,
                base,
            ):
                base.executemany("update meta set value = ? where key = ?", [(now, key) for key in DAILY_WORK])

    # Judgement

    def _judge(self) -> None:
        self.oracle.judge_orders(self.now)
        self._judge_files()
        if self.now >= self._able_since + PATIENCE and self._was_able:
            for each in self._late():
                self.oracle.tell(self.now, "late", each)
            snapshot = self.box.snapshot()
            self.oracle.clients.learn(self.now, snapshot.roots)
            served = self.box.names_by_module()
            findings = self.box.health(snapshot).findings
            FindingsOracle(self.oracle, served).judge(self.now, findings, self._facts())
            self._troubled = any(each.severity.degrades and each.problem.code.startswith(TRYING) for each in findings)

    def _judge_files(self) -> None:
        """Judge the files that services were given."""
        for text in self.box.wire.unserved:
            self.oracle.tell(self.now, "files", text.replace(str(self.box.root), ""))
        self.box.wire.unserved = []

    def _late(self) -> list[str]:
        if self.now < self.begin + AFTER or self.now < self._able_since + AFTER:
            return []
        return list(Facts(self.oracle, self.box.wire.services, self.box.ladder, self.now).late())

    def _facts(self) -> Iterator[Fact]:
        if abs(self.box.clock.ahead) > HOUR and self.error < HOUR:
            yield Fact("clock", f"{self.box.clock.wall:%Y-%m-%d}")
        yield from (
            Fact("broken", each, module=each, names=self.box.names_by_module()[each])
            for each in self.box.broken_modules
        )
        yield from Facts(self.oracle, self.box.wire.services, self.box.ladder, self.now)

    def served(self, rung: str) -> list[Loaded]:
        """Return what is served of one rung, in the order of the names."""
        found = {name: each for service in self.box.wire.services.values() for name, each in service.serves.items()}
        return [found[name] for name in sorted(found) if self.oracle.rung_of(found[name]) == rung]

    # What faults do

    def boot(self) -> None:
        """Do what firmware does."""
        with contextlib.suppress(AgentError):
            self.box.boot()
        self._wake = self.now

    def administer(self, change: Callable[[], None]) -> None:
        """Let an administrator change something, unless the agent can't."""
        if self.powered and not self.disk.full:
            change()

    def copy_of(self, fault: Fault) -> Path:
        """Return where a copy of the private directory is kept."""
        return self.box.root / f"copy-{fault.day}"
