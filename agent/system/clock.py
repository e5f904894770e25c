"""The clock by which everything is decided. Nothing else asks the machine for the time of day.

A clock that was set wrong, or never, would have chains end, be renewed and be held back for years. So it is compared with what
is remembered of it, and where the two don't fit together there is a *doubt*: until it is settled, time goes on from what was
believed last. It is settled by NTP, by the CAs, by a person (`chainwright clock accept`), or by a clock that is right again.
"""

from __future__ import annotations

from datetime import UTC, datetime

from agent.system.clock_judgement import (
    LEAPT,
    TOLERANCE,
    TRUSTED_AFTER,
    Belief,
    Doubt,
    Memory,
    Reading,
    can_be,
    judge,
    keeps_to_anchor,
    untrusted_for,
)
from agent.system.clock_memory import ClockMemory
from agent.system.clock_offsets import with_offset
from agent.system.kernel_clock import KernelClock
from agent.system.release import RELEASED_AT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import Protocol

    class Kernel(Protocol):
        """What `KernelClock` does."""

        def __call__(self) -> Reading:
            """Return what the clocks show."""

        def is_synchronised(self) -> bool:
            """Whether NTP keeps the clock."""


TOUCH_SECONDS = 3600.0
"""What is remembered is at most so old while passes are made: so much is lost of it when the machine loses power."""
MOST_ASKS = 20
"""Times that are remembered of how often CAs were asked during a doubt."""


class Noted:
    """What is believed now, what is to be remembered of it, and what was before."""

    __slots__ = ("before", "belief", "present")

    def __init__(self, belief: Belief, before: Memory | None, present: Memory) -> None:
        self.belief = belief
        self.before = before
        self.present = present

    @property
    def began(self) -> bool:
        """Whether a doubt has begun."""
        return self.belief.doubt is not None and not self._was_doubted

    @property
    def ended(self) -> bool:
        """Whether a doubt has ended."""
        return self.belief.doubt is None and self._was_doubted

    def is_news(self, touch: float) -> bool:
        """Whether it is to be remembered: where something has changed, or `touch` seconds have passed."""
        before, present = self.before, self.present
        if before is None:
            return True
        known, kind = (each.doubt[0] if each.doubt else "" for each in (before, present))
        is_old = before.boot != present.boot or not 0 <= present.instant - before.instant < touch
        is_new = (before.believed_since is None) is not (present.believed_since is None)
        return kind != known or is_old or is_new or present.offsets != before.offsets

    @property
    def _was_doubted(self) -> bool:
        return self.before is not None and self.before.doubt is not None


def belief_of(clock: Callable[[], datetime]) -> Belief:
    """Return what a clock believes; one that isn't a `Clock` is believed as it is."""
    return clock.belief() if isinstance(clock, Clock) else Belief(clock().timestamp())


class Clock:
    """The present instant, as far as the machine's clock can be believed. Any thread may ask; called, it answers in UTC."""

    def __init__(self, root: str | PathLike[str], kernel: Kernel | None = None) -> None:
        """`root`: of the appliance. `kernel`: reader of the machine's clocks."""
        self._kernel = kernel or KernelClock()
        self._memory = ClockMemory(root)
        self._released = RELEASED_AT.timestamp()
        self.file = self._memory.path
        """Where what is believed is remembered."""

    def __call__(self) -> datetime:
        """Return the present instant, UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def seconds(self) -> float:
        """Return the present instant in seconds since the epoch."""
        return self.belief().instant

    @property
    def doubt(self) -> Doubt | None:
        """Why the machine's clock isn't believed now, if it isn't."""
        return self.belief().doubt

    def belief(self) -> Belief:
        """Return what is believed now, and the doubt."""
        return self._belief(self._kernel(), self._memory.read())

    def untrusted_for(self) -> float:
        """Return for how many seconds more what can't be undone is to wait; 0: not at all, as where NTP keeps the clock."""
        left = untrusted_for(self._kernel(), self._memory.read())
        return 0.0 if left and self._kernel.is_synchronised() else left

    def settled(self) -> float | None:
        """Return the present instant where there is nothing to note of the clock, for who looks only; None: a pass is due."""
        memory = self._memory.read()
        belief = self._belief(self._kernel(), memory)
        noted = memory.doubt if memory else None
        return belief.instant if noted is None and belief.doubt is None else None

    def note(self, floor: Callable[[], float] = lambda: 0.0, *, touch: float = TOUCH_SECONDS) -> Noted:
        """Remember what is believed, where that is news or `touch` seconds have passed.

        `floor`: an instant that the appliance has seen, asked for where nothing is remembered.
        """
        seen = self._look(floor)
        if not self._memory.is_written or seen.is_news(touch):
            return self._remember(lambda: self._look(floor))
        return seen

    def touch(self, after: float = 0.0) -> None:
        """Remember the instant, where nothing else is to be noted and `after` seconds have passed."""
        memory = self._memory.read()
        now = self.settled()
        if memory is not None and now is not None and not 0 <= now - memory.instant < after:
            self._remember(self._look_quietly)

    def accept(self) -> None:
        """Believe the machine's clock, whatever is remembered; but not below the release. Raises OSError."""
        with self._memory.alone():
            reading = self._kernel()
            belief = Belief(max(reading.wall, self._released))
            accepted = _remembered(reading, belief, self._memory.read())
            accepted.believed_since = reading.since_boot - TRUSTED_AFTER
            self._memory.write(accepted)

    def wall(self) -> datetime:
        """Return what the machine's clock shows, right or wrong: to tell it, and to compare it with what others say."""
        return datetime.fromtimestamp(self._kernel().wall, UTC)

    # What CAs say

    def asked(self) -> tuple[float, ...]:
        """Return when CAs were asked for the time during this doubt."""
        memory = self._memory.read()
        return memory.asks if memory else ()

    def note_asked(self) -> None:
        """Note that CAs are asked now, during a doubt."""
        self._remember(self._ask)

    def _belief(self, reading: Reading, memory: Memory | None) -> Belief:
        belief = judge(reading, memory, self._released)
        if belief.doubt and can_be(reading.wall, self._released) and self._kernel.is_synchronised():
            return Belief(reading.wall)
        return belief

    def _look(self, floor: Callable[[], float] = lambda: 0.0) -> Noted:
        before, reading = self._memory.read(), self._kernel()
        start = before or self._from_floor(floor())
        belief = self._belief(reading, start)
        return Noted(belief, before, _remembered(reading, belief, start))

    def _from_floor(self, seconds: float) -> Memory | None:
        """Return what stands for a memory; None where all that was seen was dated by the release, as no clock was believed."""
        return Memory(seconds, 0.0, "", exact=False) if seconds > self._released + TOLERANCE else None

    def _look_quietly(self) -> Noted:
        """Leave it to a pass that a doubt has begun or ended, which tells of it."""
        seen = self._look()
        seen.present.doubt = seen.before.doubt if seen.before else None
        return seen

    def _ask(self) -> Noted:
        seen = self._look_quietly()
        if seen.belief.doubt is not None:
            seen.present.asks = (*seen.present.asks[1 - MOST_ASKS :], seen.belief.instant)
        return seen

    def _remember(self, look: Callable[[], Noted]) -> Noted:
        """Remember what is seen; where that can't be written, this process does alone.

        It is looked at once nobody else changes what is remembered: another process may just have accepted the clock.
        """
        try:
            with self._memory.alone():
                seen = look()
                self._memory.write(seen.present)
        except OSError:
            seen = look()
            self._memory.keep(seen.present)
        return seen


def _remembered(reading: Reading, belief: Belief, before: Memory | None) -> Memory:
    """Return what is to be remembered of a reading. `before`: what was."""
    doubt = belief.doubt
    same_boot = before is not None and before.boot == reading.boot
    return Memory(
        belief.instant,
        reading.since_boot,
        reading.boot,
        exact=doubt is None or doubt.kind == LEAPT,
        doubt=(doubt.kind, doubt.since) if doubt else None,
        offsets=with_offset(before.offsets if before and same_boot else (), reading),
        asks=before.asks if doubt and before else (),
        first=doubt is not None and (before is None or before.first),
        anchor=_anchor(reading, belief, before if same_boot else None),
        believed_since=None if doubt else _believed_since(reading, before),
    )


def _anchor(reading: Reading, belief: Belief, before: Memory | None) -> tuple[float, float] | None:
    """Return the anchor to be remembered: a clock that was settled far from the one `before`, in this boot, has another."""
    known = before.anchor if before else None
    if belief.doubt is None:
        return known if before and known and keeps_to_anchor(reading, before) else (belief.instant, reading.since_boot)
    return known if belief.doubt.kind == LEAPT else None


def _believed_since(reading: Reading, before: Memory | None) -> float:
    """Return since when the clock is believed in this boot. `before`: what was remembered."""
    if before is None or before.boot != reading.boot or before.doubt or before.believed_since is None:
        return reading.since_boot
    return min(before.believed_since, reading.since_boot)
