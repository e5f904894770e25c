"""Pauses: they hold as long as they were meant to, and no wrong clock makes one last."""

from datetime import timedelta

import pytest

from agent.model.pause import BACK_OFF, TOLERANCE, Pause, back_off, is_recent
from support.cas.certificates import DAY, NOW

HOUR = timedelta(hours=1)
YEARS = 3650 * DAY
SECOND = timedelta(seconds=1)


def test_it_holds_from_its_beginning_to_its_end():
    pause = Pause(NOW, NOW + DAY, DAY)
    assert [pause.holds(NOW + after) for after in (timedelta(), DAY - SECOND, DAY, 2 * DAY)] == [
        True,
        True,
        False,
        False,
    ]


def test_without_an_end_there_is_none():
    assert not Pause(NOW, None, DAY).holds(NOW)


@pytest.mark.parametrize("ahead", [2 * TOLERANCE, HOUR, DAY, YEARS])
def test_one_that_was_begun_under_a_clock_that_was_ahead_holds_nothing_back(ahead):
    assert not Pause(NOW + ahead, NOW + ahead + HOUR, DAY).holds(NOW)


@pytest.mark.parametrize("behind", [DAY, YEARS])
def test_one_that_was_begun_under_a_clock_that_was_behind_is_over(behind):
    assert not Pause(NOW - behind, NOW - behind + HOUR, DAY).holds(NOW)


@pytest.mark.parametrize("begun", [None, NOW - YEARS, NOW])
def test_one_that_ends_further_ahead_than_its_longest_holds_nothing_back(begun):
    assert not Pause(begun, NOW + YEARS, DAY).holds(NOW)


def test_one_of_an_earlier_version_is_bounded_by_its_longest():
    assert Pause(None, NOW + DAY, DAY).holds(NOW)
    assert not Pause(None, NOW + DAY + 2 * TOLERANCE, DAY).holds(NOW)


def test_another_process_may_have_read_the_clock_a_moment_later():
    later = NOW + TOLERANCE / 2
    assert Pause(later, later + DAY, DAY).holds(NOW)


def test_what_was_done_lately():
    assert is_recent(NOW - HOUR, NOW, DAY)
    assert not is_recent(NOW - DAY, NOW, DAY)
    assert not is_recent(NOW + HOUR, NOW, DAY)


def test_the_pauses_after_failures_grow_to_a_day():
    assert [back_off(attempts) for attempts in range(6)] == [BACK_OFF[0], *BACK_OFF, BACK_OFF[-1]]
