"""When the next pass is due, and why."""

from datetime import UTC, datetime, timedelta

from agent.daemon import next_pass
from agent.daemon.next_pass import LATEST, LEFT_OVER, SOONEST
from agent.daemon.schedule import LOCK_SECONDS, RETRY_SECONDS, Instant, Schedule
from agent.planning import Look, Plan

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TICK = 60.0


def at(seconds: float, *, set_by: float = 0.0) -> Instant:
    """Return an instant so many seconds later, of which `set_by` are not the passing of time."""
    return Instant(NOW.timestamp() + seconds + set_by, 100.0 + seconds)


def made(next_in: float | None = None, *actions: Look) -> Plan:
    return Plan((), actions, None if next_in is None else NOW + timedelta(seconds=next_in))


def due(plan: Plan) -> timedelta:
    return next_pass.instant(plan, NOW) - NOW


def planned(seconds: float) -> Schedule:
    schedule = Schedule(at(0))
    schedule.planned(NOW.timestamp() + seconds)
    return schedule


def test_the_first_pass_is_due_at_once():
    schedule = Schedule(at(0))
    assert schedule.due(at(0)) == "the agent starts"
    assert schedule.seconds(at(0), TICK) == 0


def test_the_next_pass_is_due_when_the_plan_says_so():
    schedule = planned(40)
    assert schedule.due(at(39)) == ""
    assert schedule.seconds(at(30), TICK) == 10
    assert schedule.due(at(40)) == "something is due"


def test_it_never_sleeps_for_longer_than_a_tick():
    schedule = planned(86_400)
    assert schedule.seconds(at(0), TICK) == TICK


def test_a_pass_is_made_after_half_a_day_even_if_nothing_seems_to_be_due():
    assert due(made()) == LATEST
    assert due(made(10**6)) == LATEST


def test_a_plan_that_is_overdue_does_not_spin():
    assert due(made(-5)) == SOONEST


def test_what_a_pass_left_undone_is_tried_after_a_minute():
    assert due(made(900, Look("mail", ""))) == LEFT_OVER


def test_a_clock_that_was_set_back_makes_a_pass_due():
    schedule = planned(900)
    assert schedule.due(at(60, set_by=-86_400)) == "the clock was set by -86400 s"
    assert schedule.due(at(61, set_by=-86_400)) == ""


def test_a_machine_that_slept_makes_a_pass_at_its_first_tick():
    schedule = planned(86_400)
    assert schedule.due(at(1, set_by=3600)) == "the clock was set by +3600 s"


def test_a_clock_that_is_nudged_changes_nothing():
    schedule = planned(900)
    assert schedule.due(at(60, set_by=2)) == ""


def test_a_pass_that_finds_the_lock_held_stays_due_for_its_reason():
    schedule = Schedule(at(0))
    schedule.locked(at(0), "SIGHUP came")
    assert schedule.due(at(LOCK_SECONDS / 2)) == ""
    assert schedule.due(at(LOCK_SECONDS)) == "SIGHUP came"


def test_failed_passes_are_tried_again_ever_more_slowly_until_one_succeeds():
    schedule = Schedule(at(0))
    assert [schedule.failed(at(0)) for _ in range(5)] == [*RETRY_SECONDS, RETRY_SECONDS[-1]]
    assert schedule.due(at(RETRY_SECONDS[-1])) == "a failed pass is tried again"
    schedule.planned(NOW.timestamp() + 900)
    assert schedule.failed(at(0)) == RETRY_SECONDS[0]
