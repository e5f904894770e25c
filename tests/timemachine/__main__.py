"""Run stories by hand, several at once: ``python -m tests.timemachine --seeds 0-199``."""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from timemachine.run import Outcome, play
from timemachine.shrinking import shortened
from timemachine.story import KINDS, Story, story_of

MOST_SHOWN = 20
MINUTES_OF_A_YEAR = 525_600


def main(arguments: list[str] | None = None) -> int:
    """Play the stories of some seeds; print what went wrong, the shortest story that leads to it, and the figures."""
    given = _parser().parse_args(arguments)
    kinds = [kind for kind in given.kinds.split(",") if kind not in given.without.split(",")]
    stories = [story_of(seed, given.years, given.chains, kinds) for seed in _seeds(given.seeds)]
    total, bad = Outcome([]), 0
    for story, outcome in _played(stories, given.processes, first_only=given.first):
        print(f"seed {story.seed}: {len(outcome.violations)} bad, {_cpu():.0f} s of CPU so far", flush=True)
        if outcome.violations:
            bad += 1
            _show(story, outcome, shrink=not given.long)
        total.add(outcome)
    _summarize(total, bad, given)
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.timemachine", description=__doc__)
    parser.add_argument("--seeds", default="0-9", help="for example 7 or 0-199")
    parser.add_argument("--years", type=float, default=10)
    parser.add_argument("--chains", type=int, default=12)
    parser.add_argument("--kinds", default=",".join(KINDS), help="of trouble")
    parser.add_argument("--without", default="", help="kinds of trouble to leave out")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at the same time")
    parser.add_argument("--first", action="store_true", help="end each story with the first thing that is wrong")
    parser.add_argument("--long", action="store_true", help="don't look for the shortest story that goes wrong")
    return parser


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _played(stories: list[Story], processes: int, *, first_only: bool) -> Iterator[tuple[Story, Outcome]]:
    """Yield each story with what came of it, as they end."""
    if processes == 1 or len(stories) == 1:
        gc.set_threshold(100_000)
        yield from ((each, play(each, first_only=first_only)) for each in stories)
        return
    with ProcessPoolExecutor(processes, initializer=gc.set_threshold, initargs=(100_000,)) as pool:
        under_way = {pool.submit(play, each, first_only=first_only): each for each in stories}
        for done in as_completed(under_way):
            yield under_way[done], done.result()


def _show(story: Story, outcome: Outcome, *, shrink: bool) -> None:
    for each in outcome.violations[:MOST_SHOWN]:
        print(f"  seed {story.seed}: {each}", flush=True)
    if shrink:
        found = shortened(story, outcome)
        print(f"  the shortest story:\n{found}\n  {found!r}", flush=True)


def _cpu() -> float:
    """Return the seconds of CPU of this process and of those that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _summarize(total: Outcome, bad: int, given: argparse.Namespace) -> None:
    runs = len(_seeds(given.seeds))
    print(
        f"{runs} appliances with {given.chains} chains, {total.years:.0f} years, {total.faults} faults, "
        f"{total.passes} wake-ups, {total.orders} orders, {total.minutes / MINUTES_OF_A_YEAR:.0f} years of endpoints judged: "
        f"{bad} bad; {_cpu() / runs:.0f} s of CPU each"
    )


if __name__ == "__main__":
    sys.exit(main())
