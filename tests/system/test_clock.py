"""What is believed of the machine's clock, and for how long it isn't."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from agent.system.clock import Clock
from agent.system.clock_judgement import AHEAD, BEHIND, LEAPT, NEVER_SET
from agent.system.paths import PRIVATE
from agent.system.release import RELEASED_AT
from support.fakes.kernel import FakeKernel

START = RELEASED_AT + timedelta(days=100)
FACTORY = datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC)
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)


class Machine:
    """A machine on which passes note the clock, and that another process may look at."""

    def __init__(self, root, now=START):
        self.root = root
        self.kernel = FakeKernel(now)
        self.clock = Clock(root, self.kernel)

    def another_process(self):
        return Clock(self.root, self.kernel)

    def runs(self, time, step=HOUR):
        """Let time pass with a pass each hour."""
        until = self.kernel.uptime + time.total_seconds()
        while self.kernel.uptime < until:
            self.kernel.passes(min(step, timedelta(seconds=until - self.kernel.uptime)))
            self.clock.note()

    @property
    def kind(self):
        found = {
            each.doubt.kind if each.doubt else "" for each in (self.clock.belief(), self.another_process().belief())
        }
        assert len(found) == 1, "every process believes the same"
        return found.pop()


class Interrupted:
    """Clocks beside which something happens once, just after they were read."""

    def __init__(self, kernel, happens):
        self.kernel = kernel
        self.left = [happens]

    def __call__(self):
        reading = self.kernel()
        if self.left:
            self.left.pop()()
        return reading

    def is_synchronised(self):
        return self.kernel.is_synchronised()


@pytest.fixture
def machine(tmp_path):
    (tmp_path / PRIVATE).mkdir(parents=True, mode=0o700)
    made = Machine(tmp_path)
    made.clock.note()
    return made


def near(at, expected, within=timedelta(minutes=2)):
    return abs(at - expected) <= within


# In one boot


def test_a_clock_that_runs_is_believed(machine):
    machine.runs(3 * DAY)
    assert (machine.kind, machine.clock()) == ("", START + 3 * DAY)


def test_a_clock_that_is_corrected_by_less_than_an_hour_is_believed(machine):
    for minutes in (50, -50, -50, 50):
        machine.runs(2 * HOUR)
        machine.kernel.is_set(machine.clock() + timedelta(minutes=minutes))
        assert machine.kind == ""
        machine.clock.note()
    assert near(machine.clock(), START + 8 * HOUR)


@pytest.mark.parametrize("minutes", [50, -50, 5])
def test_steps_that_are_small_each_are_not_believed_for_long(machine, minutes):
    """Of a clock that is set wrong each hour by less than a leap: it gets no further than a leap and a fiftieth of the time."""
    for _ in range(60 * 24):
        machine.kernel.passes(HOUR)
        machine.kernel.wall += 60 * minutes
        machine.clock.note()
    true = START + 60 * DAY
    assert machine.kind == LEAPT
    assert near(machine.clock(), true, 2 * HOUR + 60 * DAY / 50)
    machine.kernel.is_set(true)
    assert (machine.kind, machine.clock()) == ("", true), "and is believed when it is right"


def test_a_virtual_machine_that_is_stopped_each_night_is_believed(machine):
    for _ in range(400):
        machine.runs(DAY, 6 * HOUR)
        machine.kernel.is_set(machine.clock() + timedelta(minutes=25))
        machine.clock.note()
    assert (machine.kind, machine.clock()) == ("", START + 400 * DAY + 400 * timedelta(minutes=25))


def test_steps_that_ntp_has_made_are_believed_and_counted_from_there(machine):
    for _ in range(100):
        machine.runs(HOUR)
        machine.kernel.is_set(machine.clock() + timedelta(minutes=50))
        machine.kernel.synchronised = True
        assert machine.clock.note().belief.doubt is None
    machine.kernel.synchronised = False
    machine.runs(HOUR)
    assert machine.kind == ""


@pytest.mark.parametrize("leap", [3 * YEAR, -3 * YEAR, 2 * HOUR, -2 * HOUR, -60 * YEAR])
def test_a_leap_is_not_believed_and_time_goes_on_as_before(machine, leap):
    machine.runs(DAY)
    machine.kernel.is_set(machine.clock() + leap)
    assert machine.kind == LEAPT
    machine.runs(2 * DAY)
    assert (machine.kind, machine.clock()) == (LEAPT, START + 3 * DAY)
    assert near(datetime.fromtimestamp(machine.clock.doubt.since, UTC), START + DAY, 2 * HOUR)


def test_a_clock_that_is_set_right_again_is_believed(machine):
    machine.kernel.is_set(START + 3 * YEAR)
    machine.runs(DAY)
    machine.kernel.is_set(START + DAY + timedelta(minutes=1))
    assert (machine.kind, machine.clock()) == ("", START + DAY + timedelta(minutes=1))
    assert machine.clock.note().ended


def test_leaps_both_ways_in_one_boot_leave_nothing(machine):
    for leap in (3 * YEAR, -7 * YEAR, 40 * DAY):
        machine.runs(HOUR)
        machine.kernel.is_set(machine.clock() + leap)
        assert machine.clock.note().belief.doubt.kind == LEAPT
    machine.kernel.is_set(START + 3 * HOUR)
    assert (machine.kind, machine.clock()) == ("", START + 3 * HOUR)


def test_a_suspend_of_a_week_is_no_leap(machine):
    machine.kernel.passes(7 * DAY)
    assert (machine.kind, machine.clock()) == ("", START + 7 * DAY)


# After a boot


def test_a_machine_that_was_switched_off_for_a_while_is_believed(machine):
    machine.kernel.boot(START + 20 * DAY)
    assert (machine.kind, machine.clock()) == ("", START + 20 * DAY)


@pytest.mark.parametrize("shown", [FACTORY, START - 2 * HOUR, RELEASED_AT])
def test_a_clock_behind_what_was_seen_is_not_believed(machine, shown):
    machine.kernel.boot(shown)
    assert machine.kind == BEHIND
    assert near(machine.clock(), START)
    machine.runs(DAY)
    assert (machine.kind, near(machine.clock(), START + DAY)) == (BEHIND, True)


def test_a_clock_far_ahead_of_what_was_seen_is_not_believed(machine):
    machine.kernel.boot(START + 31 * DAY)
    assert (machine.kind, near(machine.clock(), START)) == (AHEAD, True)


def test_a_clock_that_is_set_to_what_can_be_after_a_boot_is_believed(machine):
    machine.kernel.boot(FACTORY)
    machine.runs(HOUR)
    machine.kernel.is_set(START + 3 * DAY)
    assert (machine.kind, machine.clock()) == ("", START + 3 * DAY)


def test_a_second_boot_in_doubt_does_not_go_back_behind_the_first(machine):
    machine.kernel.boot(FACTORY)
    machine.runs(5 * DAY)
    machine.kernel.boot(FACTORY)
    assert (machine.kind, near(machine.clock(), START + 5 * DAY, HOUR)) == (BEHIND, True)
    assert near(datetime.fromtimestamp(machine.clock.doubt.since, UTC), START, 2 * HOUR)


def test_a_leap_that_is_there_after_a_boot_is_still_not_believed(machine):
    machine.kernel.is_set(START + 3 * YEAR)
    machine.runs(DAY)
    machine.kernel.boot(START + 3 * YEAR + 2 * DAY)
    assert (machine.kind, near(machine.clock(), START + DAY)) == (AHEAD, True)


def test_a_clock_a_few_minutes_behind_after_a_boot_does_not_go_back(machine):
    machine.kernel.boot(START - 10 * timedelta(minutes=1))
    assert (machine.kind, machine.clock()) == ("", START + timedelta(seconds=20))


def test_a_battery_clock_that_drifts_while_the_machine_is_up_for_years_is_believed(machine):
    machine.runs(2 * YEAR, DAY)
    shown = START + 2 * YEAR - 2 * HOUR  # 10 seconds a day
    machine.kernel.boot(shown)
    assert (machine.kind, machine.clock()) == ("", shown)
    machine.clock.note()
    machine.runs(DAY)
    assert (machine.kind, machine.clock()) == ("", shown + DAY)
    machine.kernel.boot(shown + DAY - 2 * HOUR)
    assert machine.kind == BEHIND, "no clock drifts by so much in a day"


def test_an_image_of_the_machine_that_is_put_back_is_another_boot(machine):
    machine.kernel.uptime -= 300
    machine.kernel.is_set(START + DAY)
    assert machine.kind == ""


# The first time


def test_the_first_clock_is_believed_unless_it_is_before_the_release(tmp_path):
    assert Machine(tmp_path, RELEASED_AT + 3 * YEAR).kind == ""
    first = Machine(tmp_path, FACTORY)
    assert (first.kind, first.clock()) == (BEHIND, RELEASED_AT)
    assert first.clock.settled() is None
    assert Machine(tmp_path).clock.settled() == START.timestamp()


@pytest.mark.parametrize("shown", [FACTORY, RELEASED_AT + 40 * YEAR, datetime(9999, 12, 31, tzinfo=UTC)])
@pytest.mark.parametrize("boots", [0, 1])
def test_a_clock_that_was_never_set_is_believed_when_it_is_without_ntp_or_a_person(tmp_path, shown, boots):
    first = Machine(tmp_path, shown)
    (tmp_path / PRIVATE).mkdir(parents=True)
    first.clock.note(RELEASED_AT.timestamp)
    assert (first.kind, first.clock()) == (NEVER_SET if shown > START else BEHIND, RELEASED_AT)
    for _ in range(boots):
        first.kernel.boot(shown)
        first.clock.note()
    first.kernel.passes(HOUR)
    first.kernel.is_set(RELEASED_AT + 2 * YEAR)
    assert (first.kind, first.clock()) == ("", RELEASED_AT + 2 * YEAR)
    first.clock.note()
    first.kernel.boot(RELEASED_AT + 3 * YEAR)
    assert first.kind == AHEAD, "from then on there is something to compare it with"


def test_no_ntp_makes_a_clock_believed_that_can_not_be_right(tmp_path):
    first = Machine(tmp_path, RELEASED_AT + 40 * YEAR)
    first.kernel.synchronised = True
    assert first.kind == NEVER_SET


def test_a_lost_memory_begins_with_what_the_store_has_seen(machine):
    (machine.root / PRIVATE / "clock").unlink()
    machine.kernel.boot(RELEASED_AT + DAY)
    assert machine.clock.note(START.timestamp).belief.doubt.kind == BEHIND
    assert near(machine.clock(), START)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"instant": 1}', '{"instant": Infinity}', "9" * 9000, "[" * 8000],
    ids=["empty", "cut", "list", "null", "short", "infinite", "large", "deep"],
)
def test_a_damaged_memory_is_none(machine, content):
    (machine.root / PRIVATE / "clock").write_text(content)
    assert (machine.kind, machine.clock()) == ("", START)
    machine.clock.note()
    assert machine.another_process().settled() == START.timestamp()


@pytest.mark.parametrize("field", ["doubt", "anchor", "offsets", "asks"])
@pytest.mark.parametrize("value", [7, "x", [], ["x"], [None, None], {"a": 1}, [1e300, 1]])
def test_a_field_of_another_kind_stops_nothing(machine, field, value):
    path = machine.root / PRIVATE / "clock"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert near(machine.another_process()(), START)
    machine.clock.note()


def test_a_memory_of_what_no_clock_shows_is_none(machine):
    path = machine.root / PRIVATE / "clock"
    path.write_text(path.read_text().replace(str(START.timestamp()), "1e300"))
    assert (machine.kind, machine.clock()) == ("", START)


# What settles a doubt


@pytest.mark.parametrize("true", [START - 200 * DAY + 101 * DAY, START + 3 * YEAR], ids=["back", "ahead"])
def test_ntp_settles_a_doubt_whatever_is_remembered(machine, true):
    machine.kernel.is_set(true)
    machine.clock.note()
    machine.kernel.synchronised = True
    assert (machine.kind, machine.clock()) == ("", true)
    assert machine.clock.note().ended
    machine.kernel.synchronised = False
    machine.runs(DAY)
    assert (machine.kind, machine.clock()) == ("", true + DAY)
    machine.kernel.boot(true + 2 * DAY)
    assert machine.kind == "", "what was remembered before is forgotten"


def test_a_person_settles_a_doubt_whatever_is_remembered(machine):
    machine.kernel.boot(START + 3 * YEAR)
    machine.clock.note()
    machine.clock.accept()
    assert (machine.kind, machine.clock()) == ("", START + 3 * YEAR)
    machine.kernel.boot(START)
    machine.clock.note()
    machine.clock.accept()
    assert (machine.kind, machine.clock()) == ("", START)
    machine.kernel.boot(START + DAY)
    assert machine.kind == ""


def test_who_notes_the_clock_while_it_is_accepted_undoes_nothing(machine):
    """The supervisor notes it without the lock of passes, and has read what is remembered when another process accepts."""
    machine.kernel.is_set(START + YEAR)
    noted = Clock(machine.root, Interrupted(machine.kernel, machine.another_process().accept)).note()
    assert (noted.belief.doubt, noted.belief.instant) == (None, (START + YEAR).timestamp())
    assert (machine.kind, machine.clock()) == ("", START + YEAR)


def test_nothing_settles_a_clock_before_the_release(machine):
    machine.kernel.boot(FACTORY)
    machine.kernel.synchronised = True
    assert machine.kind == BEHIND
    machine.clock.accept()
    assert machine.clock() >= RELEASED_AT


# The file


def test_the_memory_is_for_root_alone_and_only_written_when_there_is_something_new(machine):
    path = machine.root / PRIVATE / "clock"
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.stat().st_mtime_ns
    machine.kernel.passes(HOUR / 2)
    machine.clock.note()
    assert path.stat().st_mtime_ns == before
    machine.clock.touch()
    assert path.stat().st_mtime_ns != before


def test_a_touch_says_nothing_of_a_doubt(machine):
    path = machine.root / PRIVATE / "clock"
    machine.kernel.is_set(START + YEAR)
    before = path.read_text()
    machine.clock.touch()
    assert path.read_text() == before
    assert machine.clock.note().began


def test_a_touch_says_nothing_of_a_doubt_that_begins_meanwhile(machine):
    machine.kernel.passes(HOUR)
    Clock(machine.root, Interrupted(machine.kernel, lambda: machine.kernel.is_set(START + YEAR))).touch()
    assert machine.clock.note().began


def test_who_looks_only_leaves_what_is_new_to_a_pass(machine):
    assert machine.clock.settled() == START.timestamp()
    machine.kernel.is_set(START + YEAR)
    assert machine.clock.settled() is None
    machine.clock.note()
    machine.kernel.is_set(START)
    assert machine.clock.settled() is None, "a pass has to tell that the doubt is over"
    machine.clock.note()
    assert machine.clock.settled() == START.timestamp()


def test_a_memory_that_can_not_be_written_stops_nothing(machine):
    directory = machine.root / PRIVATE
    (directory / "clock").unlink()
    directory.rmdir()
    assert machine.clock.note().belief.instant == START.timestamp()
    machine.clock.touch()
    machine.clock.note_asked()
    assert not os.path.lexists(directory)


def test_what_can_not_be_written_is_remembered_by_the_process_until_it_can(machine):
    path = machine.root / PRIVATE / "clock"
    path.unlink()
    path.mkdir()
    machine.kernel.boot(FACTORY)
    assert machine.clock.note(START.timestamp).began
    machine.kernel.passes(HOUR)
    assert not machine.clock.note(START.timestamp).began, "it is told once"
    machine.clock.note_asked()
    asked = machine.clock.asked()
    assert len(asked) == 1
    machine.kernel.passes(HOUR)
    assert machine.clock.seconds() - asked[0] == HOUR.total_seconds(), "time goes on"
    path.rmdir()
    machine.clock.note()
    assert (machine.kind, machine.another_process().asked()) == (BEHIND, asked)


def test_an_ask_is_remembered_where_nothing_else_is(machine):
    machine.kernel.is_set(FACTORY)
    (machine.root / PRIVATE / "clock").unlink()
    machine.clock.note_asked()
    assert len(machine.clock.asked()) == 1
    assert machine.clock.note().began, "a pass has yet to tell of the doubt"


def test_asks_are_remembered_as_long_as_the_doubt(machine):
    machine.kernel.is_set(START + YEAR)
    machine.clock.note()
    machine.clock.note_asked()
    machine.runs(HOUR)
    machine.clock.note_asked()
    assert machine.another_process().asked() == (START.timestamp(), (START + HOUR).timestamp())
    machine.kernel.is_set(START + HOUR)
    machine.clock.note()
    assert machine.another_process().asked() == ()


# For how long it was believed


def test_a_clock_is_trusted_with_what_can_not_be_undone_after_an_hour_of_the_boot(machine):
    for _ in range(2):
        machine.kernel.boot(START + 20 * DAY)
        assert machine.clock.untrusted_for() == HOUR.total_seconds(), "nothing is noted of this boot yet"
        machine.clock.note()
        machine.kernel.passes(HOUR / 2)
        machine.clock.note()
        assert machine.clock.untrusted_for() == machine.another_process().untrusted_for() == HOUR.total_seconds() / 2
        machine.kernel.passes(HOUR / 2)
        assert machine.clock.untrusted_for() == machine.another_process().untrusted_for() == 0


def test_it_is_trusted_at_once_where_ntp_keeps_it_or_a_person_says_that_it_is_right(machine):
    machine.kernel.boot(START + 20 * DAY)
    machine.clock.note()
    machine.kernel.synchronised = True
    assert machine.clock.untrusted_for() == 0
    machine.kernel.is_set(START + YEAR)
    assert machine.clock.untrusted_for() == HOUR.total_seconds()
    machine.clock.accept()
    assert machine.another_process().untrusted_for() == 0
    machine.clock.note()
    assert machine.another_process().untrusted_for() == 0


def test_a_doubt_begins_the_hour_again(machine):
    machine.runs(3 * HOUR)
    assert machine.clock.untrusted_for() == 0
    machine.kernel.is_set(START + YEAR)
    machine.clock.note()
    assert machine.clock.untrusted_for() == HOUR.total_seconds()
    machine.kernel.is_set(START + 3 * HOUR)
    machine.clock.note()
    assert machine.clock.untrusted_for() == HOUR.total_seconds()
    machine.runs(HOUR)
    assert machine.clock.untrusted_for() == 0


def test_what_an_earlier_version_has_noted_counts_from_the_next_look_on(machine):
    path = machine.root / PRIVATE / "clock"
    noted = json.loads(path.read_text())
    del noted["believed_since"]
    path.write_text(json.dumps(noted))
    assert machine.kind == ""
    machine.clock.note()
    machine.kernel.passes(HOUR)
    assert machine.another_process().untrusted_for() == 0
