"""What a pass does about the clock: it is remembered, and when a doubt begins or ends that is an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agent.contract.source import Source
from agent.engine.bus import Bus
from agent.engine.time_asked import TimeAsked
from agent.health.clock import kind_in_words
from agent.model.events import Event, EventKind
from agent.model.records import UPLOADED
from agent.planning import ClockDoubt
from agent.store import Store
from agent.system.clock import Clock
from agent.system.clock_judgement import Doubt
from agent.system.obstacles import obstacle

if TYPE_CHECKING:
    from agent.engine.workers import Workers

ASK_AGAIN = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
"""After CAs were asked what time it is once, twice, and more often."""
Now = Callable[[], datetime]
"""A `Clock`, or a clock that is believed as it is."""


def doubt_of(clock: Now) -> Doubt | None:
    """Return why the machine's clock isn't believed now, if it isn't."""
    return clock.doubt if isinstance(clock, Clock) else None


def clock_doubt(clock: Now, rungs: Iterable[Source], now: datetime) -> ClockDoubt | None:
    """Return the doubt as far as planning goes: when the CAs are asked what time it is, at `now` where they weren't yet."""
    if not isinstance(clock, Clock) or clock.doubt is None:
        return None
    if not any(each.tells_time for each in rungs):
        return ClockDoubt()
    asked = clock.asked()
    pause = ASK_AGAIN[min(len(asked), len(ASK_AGAIN)) - 1]
    return ClockDoubt(datetime.fromtimestamp(asked[-1], UTC) + pause if asked else now)


def irrevocable_from(clock: Now, now: datetime) -> datetime | None:
    """Return when what can't be undone may be done by this clock; None: at once."""
    left = clock.untrusted_for() if isinstance(clock, Clock) else 0.0
    return now + timedelta(seconds=left) if left else None


def settle_times(clock: Now, workers: Workers, store: Store, bus: Bus) -> None:
    """Believe the machine's clock again where the CAs that were asked agree with it.

    Where that can't be noted the doubt is left, and they are asked again after the pause.
    """
    with workers.times() as found:
        agreed = next((each for each in found if each.agree), None)
        if agreed is not None and isinstance(clock, Clock) and clock.doubt is not None:
            kind, text = _accepted(clock, agreed)
            bus.publish(store, Event(at=clock(), kind=kind, text=text))


def _accepted(clock: Clock, agreed: TimeAsked) -> tuple[EventKind, str]:
    """Return what came of it, to be told."""
    try:
        clock.accept()
    except OSError as error:
        found = obstacle(Path(error.filename2 or error.filename or clock.file), error)
        text = f"the machine's clock still isn't believed, though {agreed.who}, as that can't be noted in {clock.file}"
        return EventKind.CLOCK_DOUBTED, f"{text}: {found.where}: {found.reason}. {found.cure}"
    return EventKind.CLOCK_BELIEVED, f"the machine's clock is believed again: {agreed.who}"


def note_clock(clock: Now, store: Store, bus: Bus) -> None:
    """Remember what is believed of the clock, and tell when a doubt has begun or ended."""
    if not isinstance(clock, Clock):
        return
    noted = clock.note(lambda: _newest_seen(store))
    if noted.began and noted.belief.doubt:
        text = f"the machine's clock isn't believed: {kind_in_words(noted.belief.doubt)}"
        bus.publish(store, Event(at=clock(), kind=EventKind.CLOCK_DOUBTED, text=text))
    if noted.ended:
        bus.publish(
            store, Event(at=clock(), kind=EventKind.CLOCK_BELIEVED, text="the machine's clock is believed again")
        )


def _newest_seen(store: Store) -> float:
    """Return the newest instant that the store knows: of its last event, and of what CAs dated; 0: none.

    An upload may begin later than today, and what the own root signed is dated by this machine.
    """
    events = [each.at for each in store.journal.since(limit=1)]
    dated = [each.not_before for each in store.chains.records() if each.source != UPLOADED and each.root is None]
    return max((each.timestamp() for each in (*events, *dated)), default=0.0)
