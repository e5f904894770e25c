"""Activation windows: when a new chain may be taken into service."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from agent.contract.window import Hours, Window, parse_window

BERLIN = "Europe/Berlin"


class Settings(BaseModel):
    window: Window | None = None


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize("text", ["03:00-05:00", "22:30-01:15", "03:00-05:00 Europe/Berlin", "00:00-23:59 Etc/GMT+5"])
def test_a_window_is_shown_as_it_was_written(text: str):
    assert str(parse_window(text)) == text
    assert Settings(window=text).model_dump(mode="json") == {"window": text}
    assert parse_window(parse_window(text)) == parse_window(text)


@pytest.mark.parametrize(
    "text", ["3-5", "03:00", "24:00-01:00", "03:60-04:00", "03:00 - 05:00", "03:00-05:00 ", 300, None]
)
def test_anything_else_is_refused_with_an_example(text: object):
    with pytest.raises(ValueError, match='written "03:00-05:00" or "03:00-05:00 Europe/Berlin"'):
        parse_window(text)


@pytest.mark.parametrize("zone", ["Berlin", "Europe/Berlln", "../../etc/passwd", "/etc/localtime", "Europe", "x" * 300])
def test_an_unknown_time_zone_is_refused(zone: str):
    with pytest.raises((ValueError, ValidationError), match=r"a window is written|there is no time zone"):
        parse_window(f"03:00-05:00 {zone}")


def test_a_window_without_a_length_would_never_open_and_is_refused():
    with pytest.raises(ValueError, match="must end at another time than it begins"):
        parse_window("03:00-03:00")


def test_a_window_opens_with_its_first_minute_and_ends_before_its_last():
    window = parse_window("03:00-05:00")
    at = [utc(2026, 11, 1, 2, 59, 59), utc(2026, 11, 1, 3), utc(2026, 11, 1, 4, 59, 59), utc(2026, 11, 1, 5)]
    assert [window.is_open(each) for each in at] == [False, True, True, False]
    assert window.opens_at(at[0]) == at[1]
    assert window.opens_at(at[1]) == at[1]
    assert window.opens_at(at[3]) == utc(2026, 11, 2, 3)


def test_a_window_may_go_over_midnight():
    window = parse_window("22:00-02:00")
    assert window.is_open(utc(2026, 11, 1, 23))
    assert window.is_open(utc(2026, 11, 1, 1, 59))
    assert window.opens_at(utc(2026, 11, 1, 2)) == utc(2026, 11, 1, 22)


def test_a_window_goes_by_the_clock_of_its_zone_in_summer_and_winter():
    window = parse_window(f"03:00-05:00 {BERLIN}")
    assert window.opens_at(utc(2026, 1, 10, 12)) == utc(2026, 1, 11, 2)
    assert window.opens_at(utc(2026, 7, 10, 12)) == utc(2026, 7, 11, 1)
    assert window.opens_at(utc(2026, 7, 10, 12)).tzinfo is UTC


def test_a_window_in_the_hour_that_is_skipped_opens_where_the_clock_goes_on():
    skipped = utc(2026, 3, 29, 0, 30)  # at 01:00 UTC the clock of Berlin goes from 02:00 to 03:00
    assert parse_window(f"02:00-03:30 {BERLIN}").opens_at(skipped) == utc(2026, 3, 29, 1)
    assert parse_window(f"02:15-02:45 {BERLIN}").opens_at(skipped) == utc(2026, 3, 30, 0, 15)
    assert parse_window(f"02:30-05:00 {BERLIN}").opens_at(skipped) == utc(2026, 3, 29, 1), "at 3, not at half past"


def test_a_window_in_the_hour_that_comes_twice_opens_twice():
    window = parse_window(f"02:15-02:20 {BERLIN}")  # at 01:00 UTC the clock goes from 03:00 back to 02:00
    assert window.opens_at(utc(2026, 10, 25, 0)) == utc(2026, 10, 25, 0, 15)
    assert window.opens_at(utc(2026, 10, 25, 0, 30)) == utc(2026, 10, 25, 1, 15)
    assert window.opens_at(utc(2026, 10, 25, 1, 30)) == utc(2026, 10, 26, 1, 15)


INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))  # noqa: DTZ001


START, LENGTH = st.integers(0, 1439), st.integers(1, 1439)


def hours(start: int, length: int, zone: str) -> Hours:
    end = (start + length) % 1440
    return Hours(time(start // 60, start % 60), time(end // 60, end % 60), zone)


@given(INSTANTS, st.sampled_from(["UTC", BERLIN, "Pacific/Chatham", "America/St_Johns"]), START, LENGTH)
def test_a_window_is_open_at_the_instant_at_which_it_is_said_to_open(now, zone, start, length):
    window = hours(start, length, zone)
    assert window.is_open(window.opens_at(now))
    assert timedelta() <= window.opens_at(now) - now <= timedelta(days=2)


@given(INSTANTS, st.sampled_from(["UTC", "Asia/Kolkata"]), st.floats(0, 0.999), START, LENGTH)
def test_a_window_is_closed_until_then(now, zone, fraction, start, length):
    window = hours(start, length, zone)
    opens = window.opens_at(now)
    assert opens == now or not window.is_open(now + (opens - now) * fraction)
