"""The time of day is asked for in one place: `agent.system.clock` says what of it is believed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support.paths import CHECKOUT

OF_TIME = {"time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime", "CLOCK_REALTIME"}
"""Names of the module `time` that ask for it, some of them when they are given none."""
OF_DATES = {"now", "utcnow", "today"}
WITH_AN_INSTANT = {"localtime": 1, "gmtime": 1, "ctime": 1, "asctime": 1, "strftime": 2}
"""Arguments with which they ask for none."""
PLACES = {
    "agent/system/kernel_clock.py",
    # What authors of plugins test with
    "agent/testing/clock.py",
    "agent/testing/source_context.py",
    # Until the agent has told its own
    "plugins/webui/agent_clock.py",
    # Of an answer to a probe, and of lines in a log
    "plugins/mail/postfix_log.py",
    "plugins/webui/idle.py",
    "plugins/webui/serving.py",
}
PACKAGES = ("agent", "chainwright", "plugins")


def asks(source: str) -> list[int]:
    """Return the lines that ask the machine for the time of day."""
    tree = ast.parse(source)
    given = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and len(node.args) >= WITH_AN_INSTANT.get(node.func.attr, 9)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [node.lineno for each in node.names if each.name in OF_TIME]
        if isinstance(node, ast.Attribute) and id(node) not in given and _asks(node):
            found.append(node.lineno)
    return found


def _asks(node: ast.Attribute) -> bool:
    owner = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
    return (owner == "time" and node.attr in OF_TIME) or (owner in {"datetime", "date"} and node.attr in OF_DATES)


@pytest.mark.parametrize(
    "line",
    [
        "import time; time.time()",
        "import time; clock = time.time",
        "from time import time",
        "import time; time.clock_gettime(time.CLOCK_REALTIME)",
        "import time; time.strftime('%Y')",
        "datetime.now(UTC)",
        "import datetime; datetime.datetime.now(UTC)",
        "date.today()",
    ],
)
def test_the_ways_to_ask_are_found(line):
    assert asks(line) == [1]


@pytest.mark.parametrize("line", ["time.monotonic()", "time.gmtime(0)", "time.strftime('%Y', at)", "context.now()"])
def test_what_asks_for_nothing_of_the_kind_is_not(line):
    assert asks(line) == []


def test_only_one_place_asks_for_the_time_of_day():
    paths = [path for package in PACKAGES for path in sorted((CHECKOUT / package).rglob("*.py"))]
    assert len(paths) > 500
    found = {str(path.relative_to(CHECKOUT)): lines for path in paths if (lines := asks(Path(path).read_text()))}
    assert set(found) == PLACES, found
