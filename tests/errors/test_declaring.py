"""How an error is declared: templates, fields, and the constructors of plugins."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agent.errors import AgentError, SourceError

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


class Declared(AgentError):
    """Filled in by its fields."""

    code = "declared"
    cause = "{user:quoted} has {names:sorted few or nothing}{url:? (from %)}, until {retry_at:time}."
    where = "{place}"
    fix = "Ask {user}."
    user: str
    names: list[str]
    retry_at: datetime
    url: str = ""
    detail: str = ""

    @property
    def place(self) -> str:
        return f"room {len(self.names)}"


class Deeper(Declared):
    """One field more, and a sentence of its own."""

    code = "deeper"
    level: int = 0
    fix = "Look {{below}} {level}."


def test_fields_fill_the_templates_in_the_order_in_which_they_are_declared():
    error = Declared("ann", ["d", "c", "b", "a"], AT)
    assert str(error) == 'room 4: "ann" has a, b, c and 1 more, until 2026-11-01T12:00:00Z.\nAsk ann.'
    assert error.retry_at == error.problem.retry_at == AT


def test_what_is_optional_is_left_out_or_replaced():
    assert Declared("ann", [], AT, url="here").problem.cause == (
        '"ann" has nothing (from here), until 2026-11-01T12:00:00Z.'
    )


def test_values_are_never_taken_for_templates():
    error = Declared("{0} {user!r} \x1b[2J", [], AT, detail="{user}")
    assert error.problem.cause.startswith('"{0} {user!r} \\x1b[2J" has nothing')
    assert error.problem.detail == "{user}"


def test_a_class_below_adds_fields_and_may_have_another_sentence():
    error = Deeper("ann", [], AT, level=3)
    assert error.problem.fix == "Look {below} 3."
    assert error.problem.where == "room 0"


@pytest.mark.parametrize(
    ("given", "named", "message"),
    [
        (("ann",), {}, "missing a required argument: 'names'"),
        (("ann", [], AT, "", "", 7), {}, "too many positional arguments"),
        (("ann", [], AT), {"usr": "bob"}, "unexpected keyword argument 'usr'"),
    ],
)
def test_a_wrong_call_is_an_error_of_the_program(given, named, message):
    with pytest.raises(TypeError, match=message):
        Declared(*given, **named)


class Old(SourceError):
    """A class of a plugin that calls the constructor of its family."""

    code = "source.old"
    names: tuple[str, ...]

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        super().__init__(f"No {names[0]}.", fix="Wait.", retry_at=AT)


def test_a_plugin_may_write_its_sentence_in_the_constructor():
    error = Old(("{x}",))
    assert str(error) == "No {x}.\nWait."
    assert error.retry_at == AT


# sample: unreached
class Unreached(SourceError):
    """The CA can't be reached."""

    code = "source.slow_unreached"
    cause = "{ca} can't be reached: {reason}."
    where = "slow"
    fix = "Look at this machine's network."
    ca: str
    reason: str
    retry_at: datetime


# end: unreached


def test_the_class_of_the_guide_fills_its_sentences():
    error = Unreached("ca.example", reason="no route", retry_at=AT)
    assert str(error) == "slow: ca.example can't be reached: no route.\nLook at this machine's network."
    assert error.retry_at == AT


def test_a_class_without_fields_is_made_from_its_sentences_and_names_can_be_told_later():
    error = SourceError("It is busy.", where="toy", effect="All is well.", detail="{raw}")
    assert (error.failed, error.passed, error.counts) == (frozenset(), frozenset(), True)
    error.failed, error.passed = frozenset({"a"}), frozenset({"b"})
    assert (error.failed, error.passed) == ({"a"}, {"b"})
    assert (str(error), error.problem.detail) == ("toy: It is busy.\nAll is well.", "{raw}")
    with pytest.raises(TypeError):
        SourceError("It is busy.", "toy")
