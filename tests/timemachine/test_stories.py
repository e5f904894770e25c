"""A few stories of simulated appliances, and those that ever went wrong. By hand, many more: `python -m tests.timemachine`."""

from __future__ import annotations

import pytest

from timemachine.run import play
from timemachine.story import KINDS, Fault, Story, story_of

AWAITED = frozenset(("boot_past", "boot_ahead", "leap"))
"""Kinds of trouble that are run by hand as yet: the agent believes a wrong clock."""
SEEDS = range(3)
ONCE_WRONG = (
    # A chain was made ready for the end of an upload, dropped after a day, and ordered again and again.
    Story(0, 0.6, 8, (Fault(1.0, "upload", 127.12, 953938),)),
)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_must_not_be_happens(seed: int):
    story = story_of(seed, years=0.5, chains=8, kinds=[kind for kind in KINDS if kind not in AWAITED])
    assert [str(each) for each in play(story).violations] == [], story


@pytest.mark.parametrize("story", ONCE_WRONG, ids=lambda story: f"{story.faults[0].kind}-{story.seed}")
def test_what_went_wrong_once_does_not_again(story: Story):
    assert [str(each) for each in play(story).violations] == []
