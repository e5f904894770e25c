"""Whether the clock can be believed: pure, from a reading of it and from what is remembered.

What runs on by itself is the time since boot, in which a suspend is counted (CLOCK_BOOTTIME). The clock may be set by anybody,
and begins in 1970 where no battery keeps it.
"""

from __future__ import annotations

import math

TOLERANCE = 3600.0
"""Seconds that the clock may be off from what was expected: so much it is corrected by in the ordinary course."""
LONGEST_OFF = 30 * 86400.0
"""Seconds that a machine may have been switched off for, without somebody being asked whether it was so long."""
LONGEST_LIFE = 30 * 365.25 * 86400.0
"""Seconds for which a release may be in use: a clock that shows more than that after it was never set."""
STEPS = 1 / 50
"""Part of its time that the clock may be set by in small steps in all, half an hour a day: a virtual machine is stopped for
so long each night while it is copied, and its clock set then."""
TRUSTED_AFTER = 3600.0
"""Seconds for which the clock has to be believed in a boot before what can't be undone is done by it: one that is ahead by
less than `LONGEST_OFF` is believed at once, and NTP or a person needs a while to set it."""
DRIFT = 1 / 5000
"""Part of the time that a machine was up for, by which its battery's clock may be behind then, 17 seconds a day: the kernel sets
it by NTP only, and nothing else does at a shutdown."""
LAST = float(1 << 36)
"""Seconds after the epoch that no clock shows: more than `datetime` can hold comes soon after."""

LEAPT, BEHIND, AHEAD, NEVER_SET = "leapt", "behind", "ahead", "never set"
"""Kinds of doubt: it was set while the machine ran; after a boot it is behind what was seen, or far ahead of it; no clock can
show that."""


class Reading:
    """What the clocks of the machine show: seconds since the epoch, seconds since boot, and which boot that is."""

    __slots__ = ("boot", "since_boot", "wall")

    def __init__(self, wall: float, since_boot: float, boot: str) -> None:
        self.wall = wall
        self.since_boot = since_boot
        self.boot = boot
        """The kernel's boot id; empty: not known."""


class Doubt:
    """Why the clock isn't believed."""

    __slots__ = ("kind", "since", "wall")

    def __init__(self, kind: str, since: float, wall: float) -> None:
        self.kind = kind
        self.since = since
        """Believed instant at which it began."""
        self.wall = wall
        """What the clock shows."""


class Memory:
    """What is remembered: an instant that was believed, and the time since boot then."""

    __slots__ = (
        *("anchor", "asks", "believed_since", "boot", "doubt"),
        *("exact", "first", "instant", "offsets", "since_boot"),
    )

    def __init__(
        self,
        instant: float,
        since_boot: float,
        boot: str,
        *,
        exact: bool,
        doubt: tuple[str, float] | None = None,
        offsets: tuple[float, ...] = (),
        asks: tuple[float, ...] = (),
        first: bool = False,
        anchor: tuple[float, float] | None = None,
        believed_since: float | None = None,
    ) -> None:
        self.instant = instant
        self.since_boot = since_boot
        self.first = first
        """No clock was believed yet: all that is known is the release."""
        self.anchor = anchor
        """Instant and time since boot when the clock was believed first in this boot, or was settled last."""
        self.boot = boot
        self.exact = exact
        """Whether the instant is known as the clock was believed in this boot; else it is the earliest that it can be."""
        self.doubt = doubt
        """Kind and beginning of the doubt that was noted."""
        self.offsets = offsets
        """Settings of the clock in this boot, each as what it was ahead of the time since boot."""
        self.asks = asks
        """Believed instants at which CAs were asked for the time, during this doubt."""
        self.believed_since = believed_since
        """Seconds since boot from which on the clock was believed without a doubt; None: it isn't."""


class Belief:
    """The instant by which everything is decided, and why it isn't the clock's, where it isn't."""

    __slots__ = ("doubt", "instant")

    def __init__(self, instant: float, doubt: Doubt | None = None) -> None:
        self.instant = instant
        self.doubt = doubt


def judge(reading: Reading, memory: Memory | None, released: float) -> Belief:
    """Return what to believe of a reading. `released`: the instant of the release, before which no clock is right.

    In the boot in which the clock was believed, it has to show what has passed since. In another one it may show any later
    instant, as long as the machine can have been switched off until then, and the first time any that comes after the release.
    """
    same_boot, passed = _passed(reading, memory) if memory else (False, 0.0)
    least = _least(reading, memory, passed, released) if memory else released
    if memory is None or memory.first:
        return _belief(reading.wall, least, _first_gap(reading.wall, least, released), memory)
    if not same_boot or not memory.exact:
        return _belief(reading.wall, least, _gap(reading.wall, least), memory)
    is_near = abs(reading.wall - least) <= TOLERANCE and keeps_to_anchor(reading, memory)
    if is_near or (memory.doubt is not None and _from_anchor(reading, memory) <= TOLERANCE):
        return Belief(max(reading.wall, released))
    return _belief(reading.wall, least, LEAPT, memory)


def can_be(wall: float, released: float) -> bool:
    """Return whether a clock can show that at all, in seconds since the epoch."""
    return released <= wall <= released + LONGEST_LIFE


def keeps_to_anchor(reading: Reading, memory: Memory) -> bool:
    """Return whether all the steps by which the clock was set come to what also happens to a clock that is right."""
    if memory.anchor is None:
        return True
    passed = max(0.0, reading.since_boot - memory.anchor[1])
    return _from_anchor(reading, memory) <= TOLERANCE + STEPS * passed


def untrusted_for(reading: Reading, memory: Memory | None) -> float:
    """Return for how many seconds more what can't be undone is to wait; 0: the clock was believed for long enough."""
    if memory is None or memory.boot != reading.boot or memory.believed_since is None:
        return TRUSTED_AFTER
    return max(0.0, TRUSTED_AFTER - (reading.since_boot - memory.believed_since))


def is_sane(seconds: float) -> bool:
    """Whether a number can be an instant."""
    return math.isfinite(seconds) and 0 <= seconds < LAST


def _belief(wall: float, least: float, kind: str, memory: Memory | None) -> Belief:
    if not kind:
        return Belief(max(wall, least))
    noted = memory.doubt if memory else None
    return Belief(least, Doubt(kind, noted[1] if noted else least, wall))


def _least(reading: Reading, memory: Memory, passed: float, released: float) -> float:
    """Return the earliest instant that it can be: after a boot what the clock shows, where it is behind by its drift alone."""
    least = memory.instant + passed
    is_known = memory.exact and memory.doubt is None and memory.boot != reading.boot
    if is_known and least - TOLERANCE - DRIFT * memory.since_boot <= reading.wall < least - TOLERANCE:
        least = reading.wall
    return max(least, released)


def _passed(reading: Reading, before: Memory) -> tuple[bool, float]:
    """Return whether the machine has run since what is remembered, and the seconds that have passed at least."""
    if not before.boot:
        return False, 0.0
    if reading.boot != before.boot:
        return False, reading.since_boot
    passed = reading.since_boot - before.since_boot
    return passed >= 0, max(0.0, passed)  # less where the machine was put back to an image of itself


def _from_anchor(reading: Reading, memory: Memory) -> float:
    """Return the seconds by which the clock is off from what has passed since the anchor."""
    if memory.anchor is None:
        return math.inf
    instant, since_boot = memory.anchor
    return abs(reading.wall - instant - (reading.since_boot - since_boot))


def _first_gap(wall: float, least: float, released: float) -> str:
    if wall < least - TOLERANCE:
        return BEHIND
    return "" if can_be(max(wall, released), released) else NEVER_SET


def _gap(wall: float, least: float) -> str:
    if wall < least - TOLERANCE:
        return BEHIND
    return AHEAD if wall > least + LONGEST_OFF else ""
