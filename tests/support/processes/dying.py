"""Runs one pass and dies, as by a power cut: `dying.py ROOT WHERE OFFSET_SECONDS`.

WHERE is a step of deploying, a kind of event, `order_step:STEP`, or `rename:N`: just before the Nth rename of a deployment.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # drop-in plugins of tests import what tests share

from agent.engine.engine import Engine
from agent.model.events import Event
from agent.system.layout import Layout


def die_before_a_rename(number: int) -> None:
    left = [number]

    def count(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and "private" not in Path(str(arguments[1])).parts:  # copies of the database
            left[0] -= 1
            if left[0] == 0:
                os._exit(9)

    sys.addaudithook(count)


def main() -> None:
    root, word, offset = sys.argv[1:4]

    def die(event: Event) -> None:
        step = event.detail.get("step")
        if word in (step, event.kind, f"{event.kind}:{step}"):
            os._exit(9)

    if word.startswith("rename:"):
        die_before_a_rename(int(word.partition(":")[2]))

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(offset))

    Engine(Layout(Path(root)), clock=clock, listeners=[die], who="dying").apply(wait=0)


if __name__ == "__main__":
    main()
