"""Answers that are kept: for their time, and never more than there is room for."""

from __future__ import annotations

import pytest

from agent.dns.memory import MOST_KEPT, Memory


class Found:
    """What is found for a key, with how often it was looked for."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        self.count += 1
        return self.count


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def memory(now: list[float]) -> Memory:
    return Memory(lambda: now[0])


def test_an_answer_is_recalled_for_its_time(memory: Memory, now: list[float]):
    found = Found()
    assert [memory.recall("a", found, 5) for _ in range(2)] == [1, 1]
    now[0] = 5
    assert memory.recall("a", found, 5) == 2


def test_answers_whose_time_is_over_make_room_for_others(memory: Memory, now: list[float]):
    found = Found()
    memory.recall("lasting", found, 100)
    for number in range(MOST_KEPT - 1):
        memory.keep(number, number, 1)
    now[0] = 2
    memory.keep("one more", 0, 1)
    assert memory.recall("lasting", found, 100) == 1


def test_where_there_is_no_room_all_are_looked_for_again(memory: Memory):
    found = Found()
    memory.recall("first", found)
    for number in range(MOST_KEPT):
        memory.keep(number, number, 100)
    assert memory.recall("first", found) == 2
