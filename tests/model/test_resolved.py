"""Which addresses of a name are used: of one that moves, one whose addresses take turns, and one that fails."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from agent.model.resolved import ResolvedName, asked_first
from agent.system.resolving import MOST_ADDRESSES, Answer

START = datetime(2026, 11, 1, tzinfo=UTC)
FAILED = ""


def after(*answers: str, minutes: float = 1) -> list[str]:
    """Return the addresses that are used after each answer, written as ``"A B"``; an empty one is a failure."""
    known, used = ResolvedName("proxy", "db.lan", START, 0), []
    for number, answer in enumerate(answers):
        now = START + number * timedelta(minutes=minutes)
        known = known.answered(Answer(tuple(answer.split()), "" if answer else "no answer"), now, 60)
        used.append(" ".join(known.addresses))
    return used


def test_the_addresses_of_the_answer_are_used_in_any_order():
    assert after("A B", "B A", "A B") == ["A B"] * 3


def test_a_name_that_moves_is_followed_at_once():
    assert after("A B", "C", "C D") == ["A B", "C", "C D"]


def test_an_address_that_is_taken_out_is_not_used_any_more():
    assert after("A B C", "A C", "A C") == ["A B C", "A C", "A C"]


def test_who_fails_over_and_back_uses_one_at_a_time():
    assert after("A", "B", "A", "A") == ["A", "B", "A", "A"]


def test_addresses_that_take_turns_are_used_together_and_nothing_changes_any_more():
    assert after("A", "B", "A", "B", "A", "B", "A")[3:] == ["A B"] * 4
    turns = after(*["A B", "C D", "A D", "B C", "A C"] * 8)
    assert turns[5:] == ["A B C D"] * 35


def test_what_took_turns_and_stays_is_used_alone_after_some_minutes():
    used = after("A", "B", "A", "B", *["B"] * 14)
    assert used[3:10] == ["A B"] * 7
    assert used[-1] == "B"


@pytest.mark.parametrize(("pool", "size"), [(64, 1), (500, 8), (5000, 8)])
def test_of_many_addresses_some_are_kept_for_ten_minutes_so_that_a_reload_a_minute_is_none(pool: int, size: int):
    """As the names of large services are answered: a few of hundreds, others each time."""
    chance = Random(pool)
    used = after(*(" ".join(map(str, chance.sample(range(pool), size))) for _ in range(240)))
    changes = sum(one != other for one, other in pairwise(used))
    assert changes <= 4 + 240 // 10
    assert max(len(each.split()) for each in used) <= MOST_ADDRESSES


def test_who_moves_away_from_addresses_that_are_kept_is_followed_with_the_second_answer():
    assert after("A", "B", "A", "B", "A", "C", "C", "C")[3:] == ["A B", "A B", "A B", *["A B C"] * 2]


@pytest.mark.parametrize("failures", [1, 3, 5000])
def test_while_a_name_fails_its_last_addresses_are_used(failures: int):
    assert after("A B", *[FAILED] * failures, "C")[-2:] == ["A B", "C"]


def test_a_name_that_never_resolved_has_none():
    assert after(FAILED, FAILED, "A") == ["", "", "A"]


def test_it_is_said_since_when_a_name_fails():
    known = ResolvedName("proxy", "db.lan", START, 0)
    for minutes in (1, 2, 3):
        known = known.answered(Answer(words="no answer"), START + timedelta(minutes=minutes), 60)
    assert (known.failing_since, known.words) == (START + timedelta(minutes=1), "no answer")
    known = known.answered(Answer(("A",)), START + timedelta(minutes=4), 60)
    assert (known.failing_since, known.words) == (None, "")


@pytest.mark.parametrize(("seconds", "due"), [(-3600, True), (-30, False), (0, False), (59, False), (60, True)])
def test_it_is_asked_again_when_its_time_is_up_or_the_clock_was_wrong(seconds: int, due: bool):
    known = ResolvedName("proxy", "db.lan", START, 60)
    assert known.is_due(START + timedelta(seconds=seconds)) is due


def test_a_new_name_is_due_at_once():
    assert ResolvedName("proxy", "db.lan", START, 0).is_due(START)


def test_names_that_have_failed_for_long_are_asked_for_last():
    """So many are asked for at once: a hundred dead ones would keep the others from being asked at all."""
    failing = [(name, START - timedelta(hours=hours)) for name, hours in (("old", 9), ("new", 0), ("older", 10))]
    known = [ResolvedName("proxy", name, START, 60, words="no answer", failing_since=since) for name, since in failing]
    assert asked_first([*known, ResolvedName("proxy", "well", START, 60)]) == ["well", "new", "old", "older"]
