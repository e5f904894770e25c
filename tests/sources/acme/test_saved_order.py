"""Orders that were saved: how long they are gone on with."""

from datetime import timedelta

import pytest

from agent.sources.acme.messages import Order
from agent.sources.acme.saved_order import LONGEST, LONGEST_UNBOUNDED, SavedOrder
from support.cas.certificates import DAY, NOW

SAVED = SavedOrder("https://ca.example.test/dir", "https://ca.example.test/acct/1", "", "")


def order(ends_after: timedelta | None) -> Order:
    row = {
        "status": "pending",
        "url": "https://ca.example.test/order/1",
        "finalize": "https://ca.example.test/finalize/1",
    }
    ends = {} if ends_after is None else {"expires": (NOW + ends_after).isoformat()}
    return Order.from_json({**row, **ends})


@pytest.mark.parametrize(
    ("ends_after", "longest"), [(None, LONGEST_UNBOUNDED), (90 * DAY, LONGEST), (3 * DAY, 3 * DAY)], ids=str
)
def test_it_is_over_after_a_time(ends_after, longest):
    saved = SAVED.placed("https://ca.example.test/order/1", NOW)
    assert not saved.is_over(order(ends_after), NOW + longest - timedelta(seconds=1))
    assert saved.is_over(order(ends_after), NOW + longest)


@pytest.mark.parametrize("ahead", [DAY, 3650 * DAY], ids=str)
def test_one_that_was_placed_under_a_clock_that_was_ahead_is_over(ahead):
    assert SAVED.placed("https://ca.example.test/order/1", NOW + ahead).is_over(order(None), NOW)
