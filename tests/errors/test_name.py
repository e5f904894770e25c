import pytest

from agent.errors import AgentError
from agent.errors.name import NameInvalid

FIX = "Write a host name (gw.example.test), a wildcard (*.example.test) or an IP address (192.0.2.1, 2001:db8::1)."

EXAMPLES: list[tuple[AgentError, str]] = [
    (NameInvalid("a b", "it has a space"), f'"a b" is not a name for a chain: it has a space.\n{FIX}'),
    (NameInvalid("a\x1b[2J\nb", "no"), f'"a\\x1b[2J\\nb" is not a name for a chain: no.\n{FIX}'),
    (NameInvalid("a" * 200, "it is too long"), f'"{"a" * 77}..." is not a name for a chain: it is too long.\n{FIX}'),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_a_validator_may_raise_it():
    assert isinstance(EXAMPLES[0][0], ValueError)
    assert EXAMPLES[0][0].code == "name.invalid"
