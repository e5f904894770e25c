"""Which chain goes before an uploaded one, and the clause that says why."""

from datetime import timedelta

import pytest

from agent.planning.binding import bind
from agent.planning.comparison import outranked
from support.fakes.ladder import DAY, LOCAL, NOW, TOY, UPLOADED, evidence, local, need, toy, upload

PINNED = {("mail", "default"): upload("a").id}
OTHER = upload("b", since=NOW - 2 * DAY)


def the_comparison(wanted, other, *chains, **more):
    known = evidence(other, *chains, **more)
    return outranked(other, [wanted], bind([wanted], known, NOW), known, NOW)


@pytest.mark.parametrize(
    ("first", "more", "reason", "pinnable"),
    [
        (
            upload("a", since=NOW - 3 * DAY, days=900),
            {},
            "it ends later: 2029-04-16T12:00:00Z, the other one 2027-01-28T12:00:00Z",
            True,
        ),
        (
            upload("a", since=NOW - DAY, days=89),
            {},
            "it begins later, and ends at the same instant: 2026-10-31T12:00:00Z, the other one 2026-10-30T12:00:00Z",
            True,
        ),
        (upload("a", since=NOW - 9 * DAY), {"pins": PINNED}, "it is pinned", True),
        (
            upload("a"),
            {"refused": frozenset({("mail", "default", OTHER.id)})},
            "mail did not take the other one when it was given to it",
            False,
        ),
        (
            toy("a", need()),
            {"ladder": (TOY, UPLOADED, LOCAL)},
            "toy stands before uploaded chains in the ladder",
            False,
        ),
    ],
)
def test_what_goes_first_and_why(first, more, reason, pinnable):
    (found,) = the_comparison(need(), OTHER, first, **more)
    assert (found.module, found.slot, found.chain) == ("mail", "default", first.id)
    assert (found.reason, found.pinnable) == (reason, pinnable)


def test_an_exact_name_goes_before_a_wildcard():
    (found,) = the_comparison(need(), upload("b", "*.chain.dev"), upload("a"))
    assert found.reason == "it has the exact name, and the other one covers it by *.chain.dev"


def test_of_two_that_are_as_new_the_one_that_was_stored_later():
    (found,) = the_comparison(need(), upload("b", created_at=NOW), upload("a", created_at=NOW + timedelta(seconds=1)))
    assert found.reason == "it is as new, and was stored later"


def test_where_the_settings_allow_no_upload():
    wanted = need(sources=("local",))
    (found,) = the_comparison(wanted, OTHER, local("a", wanted))
    assert (found.reason, found.pinnable) == ("only chains of local may serve there", False)


def test_what_serves_already_or_can_not_serve_is_not_compared():
    assert the_comparison(need(), OTHER) == []
    assert the_comparison(need(), upload("b", "other.dev"), upload("a")) == []
    assert the_comparison(need(), upload("b", since=NOW - 99 * DAY), upload("a")) == []


def test_where_the_settings_have_a_pin_another_one_does_not_help():
    (found,) = the_comparison(need(pin="a"), OTHER, upload("a", since=NOW - 9 * DAY))
    assert (found.reason, found.pinnable) == ("it is pinned", False)
