"""How many requests are under way at one CA."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.errors import OrderCancelled
from agent.sources.acme.failures import CaUnreachable
from agent.sources.acme.pace import CAUTION, MOST, START, SUCCESSES, Pace
from support.clients.acme import Monotonic
from support.waiting import until


@pytest.fixture
def clock():
    return Monotonic()


@pytest.fixture
def pace(clock):
    return Pace(clock)


def test_ten_answers_in_a_row_allow_one_request_more_up_to_the_most(pace, clock):
    for _ in range(SUCCESSES - 1):
        pace.answered(200, clock())
    assert pace.limit == START
    pace.answered(200, clock())
    assert pace.limit == START + 1
    for _ in range(1000):
        pace.answered(400, clock())
    assert pace.limit == MOST


@pytest.mark.parametrize("status", [429, 500, 503])
def test_trouble_halves_it_but_leaves_one(pace, clock, status):
    limits = []
    for _ in range(5):
        pace.answered(status, began=clock())
        limits.append(pace.limit)
        clock.at += 1
    assert limits == [4, 2, 1, 1, 1]


def test_all_that_was_under_way_when_the_trouble_began_counts_once(pace, clock):
    began = clock()
    clock.at += 1
    for _ in range(8):
        pace.answered(503, began)
    assert pace.limit == 4


def test_trouble_starts_the_count_of_successes_again(pace, clock):
    for _ in range(SUCCESSES - 1):
        pace.answered(200, clock())
    pace.answered(500, clock())
    pace.answered(200, clock())
    assert pace.limit == 4


def test_it_comes_back_slowly_to_where_there_was_trouble(pace, clock):
    pace.answered(500, clock())
    answers, limits = 0, [START // 2]
    while pace.limit < START and answers < 1000:
        pace.answered(200, clock())
        answers += 1
        if pace.limit != limits[-1]:
            limits.append(pace.limit)
    assert limits == [4, 5, 6, 7, 8]
    assert answers == 3 * SUCCESSES + SUCCESSES * CAUTION


def test_a_request_that_comes_too_early_waits_for_a_place(clock):
    pace = Pace(clock, start=1)
    second = threading.Event()

    def come() -> None:
        with pace.slot():
            second.set()

    with ThreadPoolExecutor(1) as threads:
        with pace.slot():
            coming = threads.submit(come)
            assert not second.wait(0.1)
        coming.result(20)
    assert second.is_set()


def nobody_may_begin(pace: Pace) -> bool:
    answers = iter([False, True])
    try:
        with pace.slot(lambda: next(answers)):
            return False
    except OrderCancelled:
        return True


def test_one_request_that_must_be_alone_waits_for_the_others_and_lets_none_begin(pace):
    order: list[str] = []
    alone, others = threading.Event(), threading.Event()

    def change() -> None:
        with pace.alone():
            order.append("alone")
            alone.set()
            assert not others.wait(0.1)

    def ask() -> None:
        with pace.slot():
            order.append("after")
            others.set()

    with ThreadPoolExecutor(2) as threads:
        with pace.slot():
            changing = threads.submit(change)
            until(lambda: nobody_may_begin(pace))
            asking = threads.submit(ask)
            assert not alone.wait(0.1)
            order.append("before")
        changing.result(20)
        asking.result(20)
    assert order == ["before", "alone", "after"]


def test_who_is_cancelled_gives_his_place_up(clock):
    pace = Pace(clock, start=1)
    with pace.slot():
        for wait in (pace.slot, pace.alone):
            answers = iter([False, True])
            with pytest.raises(OrderCancelled), wait(lambda answers=answers: next(answers)):
                pytest.fail("there was no place")
    with pace.slot(), pytest.raises(OrderCancelled), pace.slot(lambda: True):
        pytest.fail("it was cancelled")
    with pace.alone():
        pass


def test_two_who_must_be_alone_come_one_after_the_other(pace):
    inside: list[int] = []

    def change(number: int) -> None:
        with pace.alone():
            inside.append(number)
            assert inside == [number]
            inside.remove(number)

    with ThreadPoolExecutor(4) as threads:
        with pace.alone():
            changing = [threads.submit(change, number) for number in range(4)]
            until(lambda: nobody_may_begin(pace))
        assert [each.result(20) for each in changing] == [None] * 4


def test_while_the_ca_asks_for_long_nobody_waits(pace, clock):
    pace.hold(60, 503, "https://ca.example/order")
    pace.hold(5, 503, "https://ca.example/other")
    for wait in (pace.slot, pace.alone):
        with pytest.raises(CaUnreachable, match="it asks to wait") as failed, wait():
            pytest.fail("it asked to wait")
        assert failed.value.retry_after == 60
    clock.at += 61
    with pace.slot():
        pass


def test_nobody_is_held_for_more_than_a_day(pace, clock):
    pace.hold(10**7, 503, "https://ca.example/order")
    clock.at += 86401
    with pace.slot():
        pass


def test_a_short_wait_is_waited_for(pace, clock):
    pace.hold(5, 503, "https://ca.example/order")
    looks = iter([False, False, False])

    def cancelled() -> bool:
        clock.at += 2
        return next(looks, False)

    with pace.slot(cancelled):
        assert clock.at >= 1005
