"""A few stories of simulated appliances, and those that ever went wrong. By hand, many more: `python -m tests.timemachine`."""

from __future__ import annotations

import pytest

from timemachine.shrinking import told
from timemachine.story import Fault, Story, story_of

SEEDS = range(3)
pytestmark = pytest.mark.timeout(600)  # ten seconds of CPU each, on a machine that may do much else
ONCE_WRONG = (
    # A chain was made ready for the end of an upload, dropped after a day, and ordered again and again.
    Story(0, 0.6, 8, (Fault(1.0, "upload", 127.12, 953938),)),
    # An upload was served until it had ended: the next chain was made when it had.
    Story(
        *(3, 0.37, 6),
        faults=(
            Fault(24.92, "upload", 129.94, 13807),
            Fault(48.60, "boot_ahead", 0.29, 960437),
            Fault(56.34, "boot_ahead", 0.04, 970808),
            Fault(86.53, "upload", 43.44, 751984),
        ),
    ),
    # A CA that could not be reached under a clock that was ahead was out of reach until the next renewal, weeks later.
    Story(1, 0.25, 6, (Fault(49.9, "away", 0.7, 0), Fault(50.0, "boot_ahead", 0.5, 0))),
    # The simulation had put off a renewal until after a leap of the clock, and called false what was then said of it.
    Story(75, 0.48, 6, (Fault(155.583, "leap", 0.482, 861488),)),
)
PROMISES = (
    # Roots follow each other while a service goes on with what the first one has signed.
    Story(1, 0.55, 6, (Fault(165.0, "deaf", 16.0, 1),)),
    # A chain is revoked while nothing is due.
    Story(0, 0.1, 6, (Fault(30.0, "revoked", 3.0, 2),)),
)
"""What the oracle has to see where the agent is broken on purpose: docs/reliability.md."""


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_must_not_be_happens(seed: int):
    assert told(story_of(seed, years=0.55, chains=8)) == []


@pytest.mark.sampled(1)
@pytest.mark.parametrize("story", ONCE_WRONG, ids=lambda story: f"{story.faults[0].kind}-{story.seed}")
def test_what_went_wrong_once_does_not_again(story: Story):
    assert told(story) == []


@pytest.mark.parametrize("story", PROMISES, ids=lambda story: f"{story.faults[0].kind}-{story.seed}")
def test_what_is_promised_holds(story: Story):
    assert told(story) == []
