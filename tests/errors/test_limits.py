from datetime import UTC, datetime, timedelta

import pytest

from agent.errors import AgentError
from agent.errors.limits import RateLimitAhead, RateLimitInForce, in_words

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
CA = "Let's Encrypt"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        RateLimitAhead(CA, "300 of 300 new orders in 3 hours are used up", AT, "It goes on by itself then."),
        (
            "acme: 300 of 300 new orders in 3 hours are used up at Let's Encrypt;"
            " the next is allowed at 2026-11-01T12:00:00Z.\nIt goes on by itself then."
        ),
    ),
    (
        RateLimitInForce(CA, "validations of www.example.com", AT, {"www.example.com"}),
        (
            "acme: Let's Encrypt has asked to wait with validations of www.example.com until 2026-11-01T12:00:00Z.\n"
            "Nothing is to be done: it goes on by itself then."
        ),
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda error: error.code)
def test_a_limit_is_no_failure_and_ends_at_a_known_instant(error):
    assert not error.counts
    assert error.retry_at == AT


def test_it_names_the_names_that_it_is_about():
    assert [sorted(error.failed) for error, _ in EXAMPLES] == [[], ["www.example.com"]]


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (timedelta(days=7), "7 days"),
        (timedelta(days=1), "1 day"),
        (timedelta(hours=3), "3 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=90), "90 seconds"),
    ],
)
def test_times_are_written_in_the_largest_whole_unit(window, words):
    assert in_words(window) == words
