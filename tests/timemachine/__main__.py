"""Run stories by hand: ``python -m tests.timemachine --seeds 0-199``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from timemachine.run import Outcome, play
from timemachine.story import KINDS, Story, shortest, story_of

MOST_SHOWN = 20
MINUTES_OF_A_YEAR = 525_600


def main(arguments: list[str] | None = None) -> int:
    """Play the stories of some seeds; print what went wrong, and the figures."""
    given = _parser().parse_args(arguments)
    kinds = [kind for kind in given.kinds.split(",") if kind not in given.without.split(",")]
    total, bad, began = Outcome([]), 0, time.process_time()
    for seed in _seeds(given.seeds):
        story = story_of(seed, given.years, given.chains, kinds)
        outcome = play(story, first_only=given.first)
        if outcome.violations:
            bad += 1
            _show(story, outcome, given.shrink)
        total.add(outcome)
        print(f"seed {seed}: {len(outcome.violations)} bad, {time.process_time() - began:.0f} s so far", flush=True)
    _summarize(total, bad, given, time.process_time() - began)
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.timemachine", description=__doc__)
    parser.add_argument("--seeds", default="0-9", help="for example 7 or 0-199")
    parser.add_argument("--years", type=float, default=10)
    parser.add_argument("--chains", type=int, default=12)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of trouble")
    parser.add_argument("--without", default="", help="kinds of trouble to leave out")
    parser.add_argument("--first", action="store_true", help="end each story with the first thing that is wrong")
    parser.add_argument("--shrink", action="store_true", help="look for the shortest story that goes wrong")
    return parser


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _show(story: Story, outcome: Outcome, shrink: bool) -> None:
    for each in outcome.violations[:MOST_SHOWN]:
        print(f"  seed {story.seed}: {each}")
    if shrink:
        kind = outcome.violations[0].kind
        print(f"  the shortest story:\n{shortest(story, lambda each: goes_wrong(each, kind))}")


def goes_wrong(story: Story, kind: str) -> bool:
    """Whether a story leads to the same kind of thing."""
    return any(each.kind == kind for each in play(story, first_only=True).violations)


def _summarize(total: Outcome, bad: int, given: argparse.Namespace, seconds: float) -> None:
    runs = len(_seeds(given.seeds))
    print(
        f"{runs} appliances with {given.chains} chains, {total.years:.0f} years, {total.faults} faults, "
        f"{total.passes} wake-ups, {total.orders} orders, {total.minutes / MINUTES_OF_A_YEAR:.0f} years of endpoints judged: "
        f"{bad} bad; {seconds / runs:.0f} s of CPU each"
    )


if __name__ == "__main__":
    sys.exit(main())
