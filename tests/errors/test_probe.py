import pytest

from agent.errors import AgentError, ProbeFailed
from agent.errors.deploy import WrongChainServed, WrongGeneration

WHERE = "127.0.0.1:8443 (gw.example.test)"
LEAF, OTHER, FIRST, SECOND = (digit * 64 for digit in "1234")
SHORT = "111111111111"
SWAPPED = "444444444444, 333333333333 instead of 333333333333, 444444444444"
LOG = "Look at the service's log, then: chainwright renew"
RELOADED = "Look whether the service was reloaded, then: chainwright renew"
WHOLE = "Look whether its configuration names the file with the whole chain, then: chainwright renew"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        ProbeFailed(WHERE, "nobody listens there (connection refused)", dead=True),
        f"{WHERE}: The endpoint gives no proper answer: nobody listens there (connection refused).\n{LOG}",
    ),
    (
        WrongChainServed(WHERE, (OTHER, FIRST), (LEAF, FIRST)),
        f"{WHERE}: The endpoint serves the chain 222222222222 instead of 111111111111.\n{RELOADED}",
    ),
    (
        WrongChainServed(WHERE, (LEAF,), (LEAF, FIRST)),
        f"{WHERE}: The endpoint serves the chain 111111111111 without its intermediates.\n{WHOLE}",
    ),
    (
        WrongChainServed(WHERE, (LEAF, SECOND, FIRST), (LEAF, FIRST, SECOND)),
        f"{WHERE}: The endpoint serves the chain {SHORT} with the intermediates {SWAPPED}.\n{WHOLE}",
    ),
    (
        WrongChainServed(WHERE, (LEAF, FIRST), (LEAF,)),
        f"{WHERE}: The endpoint serves the chain 111111111111 with the intermediates 333333333333 instead of none.\n{WHOLE}",
    ),
    (
        WrongChainServed(WHERE, (), (LEAF, FIRST)),
        f"{WHERE}: The endpoint serves no certificate instead of the chain 111111111111.\n{RELOADED}",
    ),
    (
        WrongGeneration(WHERE, 6, 7),
        f"{WHERE}: The service runs generation 6 instead of 7.\n{RELOADED}",
    ),
    (
        WrongGeneration(WHERE, None, 7),
        f"{WHERE}: The service doesn't tell its generation; it should be 7.\n{RELOADED}",
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message
