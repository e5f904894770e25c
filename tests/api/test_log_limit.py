"""How many lines a flood writes into a log."""

import logging

from agent.api.log_limit import LogLimit


def test_a_flood_writes_a_few_lines_a_minute_and_says_how_many_were_left_out():
    now = [0.0]
    limit = LogLimit(lines=3, seconds=60, clock=lambda: now[0])

    def written(number: int) -> str:
        record = logging.LogRecord("x", logging.ERROR, "x", 1, "line %d", (number,), None)
        return record.getMessage() if limit.filter(record) else ""

    assert [written(number) for number in range(1000)] == ["line 0", "line 1", "line 2", *[""] * 997]
    now[0] = 61.0
    assert written(5) == "line 5 (before this, 997 further lines were left out)"
    assert written(6) == "line 6"
