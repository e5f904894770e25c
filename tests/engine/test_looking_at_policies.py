"""MTA-STS policies are looked at without the lock, within bounds, and what was known outlives a server that is down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.engine.policy_questions import (
    PolicyAnswer,
    ask_policies,
    begin,
    get_policy,
    known_policies,
    settle_policies,
)
from agent.model.need import Need
from agent.planning import AskPolicies, State, plan
from agent.planning.binding import Evidence
from agent.store import Store
from agent.system.http_exchange import HttpAnswer
from agent.system.layout import Layout

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DOMAIN = "example.com"
TEXT = b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\n"
NEED = Need(("mail.example.com",), module="mail", mta_sts=(DOMAIN,))


@pytest.fixture
def store(tmp_path):
    with Store.open(Layout(tmp_path)) as opened:
        yield opened


def asked(answer: HttpAnswer | Exception) -> PolicyAnswer:
    def get(url: str) -> HttpAnswer:
        assert url == "https://mta-sts.example.com/.well-known/mta-sts.txt"
        if isinstance(answer, Exception):
            raise answer
        return answer

    (found,) = ask_policies([DOMAIN], lambda: False, get)
    return found


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (HttpAnswer(404, "", {}, b""), "the server answers with HTTP status 404"),
        (HttpAnswer(200, "", {}, "Grüße".encode()), "it is no plain text"),
        (HttpAnswer(200, "", {}, b"<html>"), "it does not begin with version: STSv1"),
        (TimeoutError("timed out"), "timed out"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
    ],
)
def test_what_brings_no_policy_says_why(answer, problem):
    assert asked(answer) == PolicyAnswer(DOMAIN, problem=problem)


def test_a_policy_is_kept_and_outlives_a_server_that_is_down(store):
    settle_policies(store, [asked(HttpAnswer(200, "", {}, TEXT))], NOW)
    known = known_policies(store)[DOMAIN]
    assert (known.mode, known.hosts, known.problem) == ("enforce", ("mail.example.com",), "")
    settle_policies(store, [asked(TimeoutError("timed out"))], NOW + timedelta(hours=12))
    later = known_policies(store)[DOMAIN]
    assert (later.mode, later.hosts, later.problem) == ("enforce", ("mail.example.com",), "timed out")


def test_what_is_kept_damaged_is_asked_for_again(store):
    with store.write():
        store.remember("mta-sts policies", "[1]")
    assert known_policies(store) == {}


def test_a_policy_is_looked_at_when_nobody_has_for_half_a_day(store):
    def due(now: datetime) -> list[object]:
        state = State(Evidence((), (), {}, {}), {}, {}, (), (), policies=known_policies(store))
        return [each for each in plan(now, [], [NEED], state).actions if isinstance(each, AskPolicies)]

    assert due(NOW) == [AskPolicies((DOMAIN,))]
    with store.write():
        begin(store, [DOMAIN], NOW)
    assert due(NOW) == []
    settle_policies(store, [asked(HttpAnswer(200, "", {}, TEXT))], NOW)
    assert due(NOW + timedelta(hours=11)) == []
    assert due(NOW + timedelta(hours=12)) == [AskPolicies((DOMAIN,))]


def test_nothing_is_asked_when_the_agent_stops():
    assert ask_policies([DOMAIN], lambda: True) == []


def test_a_policy_is_not_fetched_without_tls():
    with pytest.raises(ValueError, match="it is not an HTTP URL"):
        get_policy("http://mta-sts.example.com/.well-known/mta-sts.txt")
