"""The pages go by the clock that the agent believes, whatever the machine's shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agent.errors.problem import rfc3339
from agent.health.clock import not_believed
from agent.model.finding import Finding, Severity, SubjectKind
from agent.system.clock_judgement import LEAPT, Doubt
from plugins.webui.agent_clock import AgentClock
from plugins.webui.cache import SessionCache
from plugins.webui.errors import AgentSilent
from support.fakes.api import NOW, WHO, Browser, FakeApi, chain, problem, status

WALL = datetime(2029, 1, 1, tzinfo=UTC)
TOLD = datetime(2026, 11, 30, 8, tzinfo=UTC)
DATE = {"date": "Mon, 30 Nov 2026 08:00:00 GMT"}


class Machine:
    """The clocks of a machine."""

    since_boot = 100.0

    def clock(self) -> AgentClock:
        return AgentClock(lambda: self.since_boot, WALL.timestamp)


def test_time_goes_on_from_what_the_agent_has_told_last():
    machine = Machine()
    clock = machine.clock()
    assert clock() == WALL, "it has told nothing yet"
    clock.hear({})
    assert clock() == WALL
    clock.hear(DATE)
    assert clock() == TOLD
    machine.since_boot += 90
    assert clock() == TOLD + timedelta(seconds=90)
    clock.hear(DATE)
    assert clock() == TOLD


def test_the_same_process_executed_again_goes_by_it():
    machine = Machine()
    clock = machine.clock()
    clock.hear(DATE)
    machine.since_boot += 60
    again = machine.clock()
    again.restore(clock.memory())
    assert again() == TOLD + timedelta(seconds=60)
    again.restore(machine.clock().memory())
    assert again() == WALL


def test_a_date_that_is_none_is_no_answer_of_the_agent():
    with pytest.raises(AgentSilent, match="The agent is not answering: the date of its answer is none"):
        Machine().clock().hear({"date": "yesterday"})


def test_what_was_seen_is_kept_until_the_session_ends_by_the_agent_s_clock():
    machine = Machine()
    clock = machine.clock()
    cache = SessionCache(clock)
    cache.keep("s", {"idle_at": rfc3339(TOLD + timedelta(minutes=1))}, {}, {})
    assert cache.find("s") is None
    clock.hear(DATE)
    assert cache.find("s") is not None
    machine.since_boot += 60
    assert cache.find("s") is None


@pytest.mark.parametrize(("ahead", "shown"), [(0, "in 61 days"), (59, "in 2 days"), (-365, "in 426 days")])
def test_what_is_left_of_a_chain_is_by_the_agent_s_clock(
    agent: FakeApi, browser: Browser, ahead: int, shown: str
) -> None:
    agent.ahead += timedelta(days=ahead)
    assert shown in browser.get("/certificates").words


@pytest.mark.parametrize(("minutes", "asked"), [(0, False), (3, False), (10, True), (-600, False)])
def test_a_form_asks_for_the_password_when_the_agent_s_clock_says_that_it_is_time(
    agent: FakeApi, browser: Browser, minutes: int, asked: bool
) -> None:
    agent.ahead += timedelta(minutes=minutes)
    until = rfc3339(NOW + timedelta(minutes=5))
    agent.says("GET /v1/session", {**WHO, "idle_at": rfc3339(NOW + timedelta(days=1)), "password_until": until})
    agent.says("GET /v1/tokens", {"tokens": []})
    agent.says("GET /v1/users", {"users": []})
    page = browser.get("/tokens")
    assert page.status == 200
    assert ('type="password"' in page.text) is asked


# Accepting it

DOUBT = not_believed(NOW.timestamp(), Doubt(LEAPT, NOW.timestamp(), (NOW + timedelta(days=900)).timestamp()))


def doubts(agent: FakeApi) -> None:
    finding = Finding(SubjectKind.APPLIANCE, "clock", Severity.WARNING, DOUBT, NOW)
    agent.says("GET /v1/status", status(chain(), findings=(finding,)))


def test_the_finding_leads_an_administrator_to_a_form_that_accepts_the_clock(agent: FakeApi, browser: Browser) -> None:
    doubts(agent)
    assert 'href="/clock"' in browser.get("/certificates").text
    page = browser.get("/clock")
    assert "isn't believed: it was set to another time while the machine ran" in page.words
    assert agent.changes() == []
    agent.says("POST /v1/clock/accept", {"believed": rfc3339(NOW)})
    assert browser.post("/clock", {"form_token": page.token}, follow=False).headers["location"] == "/certificates"
    assert agent.changes() == ["POST /v1/clock/accept"]


def test_who_may_only_look_is_offered_no_form(agent: FakeApi, browser: Browser) -> None:
    doubts(agent)
    agent.says("GET /v1/session", {**WHO, "role": "viewer", "idle_at": rfc3339(NOW + timedelta(minutes=30))})
    assert 'href="/clock"' not in browser.get("/certificates").text
    assert browser.get("/clock").status == 403


def test_the_form_asks_for_the_password_where_the_agent_wants_it(agent: FakeApi, browser: Browser) -> None:
    doubts(agent)
    agent.says("POST /v1/clock/accept", problem("people.password_needed", "The password is needed."), 403)
    again = browser.post("/clock", {"form_token": browser.get("/clock").token})
    assert (again.status, 'type="password"' in again.text) == (403, True)


def test_what_the_agent_refuses_is_told_beside_the_form(agent: FakeApi, browser: Browser) -> None:
    doubts(agent)
    agent.says("POST /v1/clock/accept", problem("hand.clock_before_release", "It shows 1970."), 409)
    again = browser.post("/clock", {"form_token": browser.get("/clock").token})
    assert again.status == 409
    assert "It shows 1970." in again.words


def test_where_the_clock_is_believed_there_is_nothing_to_accept(agent: FakeApi, browser: Browser) -> None:
    assert 'href="/clock"' not in browser.get("/certificates").text
    assert browser.ask("GET", "/clock", None, {}, follow=False).headers["location"] == "/certificates"
