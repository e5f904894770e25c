from datetime import UTC, datetime

import pytest

from agent.errors import AgentError, OrderCancelled, SourceError
from agent.errors.source import NotRevocable, SourceCrashed

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
INSTEAD = "Reissue it instead, so that it's no longer used: chainwright reissue NAME"
DEFECT = "This is a defect of the plugin: chainwright plugins names its distribution."

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        SourceError(
            "The CA allows no more orders this week.",
            where="acme",
            fix="Wait, or use another account.",
            effect="The local chain is served.",
            retry_at=AT,
        ),
        "acme: The CA allows no more orders this week.\nThe local chain is served. Wait, or use another account.",
    ),
    (
        OrderCancelled("acme"),
        "acme: The order was interrupted because the agent stops.\nIt goes on in the next run: chainwright apply",
    ),
    (
        NotRevocable("local"),
        f"local: Chains of local can't be revoked by the agent.\n{INSTEAD}",
    ),
    (
        SourceCrashed("toy", ZeroDivisionError("division by zero"), AT),
        (f"toy: The source failed in a way it does not explain: ZeroDivisionError: division by zero.\n{DEFECT}"),
    ),
    (
        SourceCrashed("toy", RuntimeError(), AT),
        f"toy: The source failed in a way it does not explain: RuntimeError.\n{DEFECT}",
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_an_error_says_when_it_is_tried_again_unless_only_a_change_helps():
    assert [error.retry_at for error, _ in EXAMPLES] == [AT, None, None, AT, AT]
