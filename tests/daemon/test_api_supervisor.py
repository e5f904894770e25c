"""The supervisor of the local API: what is told while its process can't be kept up, and that it is told no longer."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from agent.model.finding import Finding
from agent.report import read_snapshot, report
from support.appliances.deployed import Deployed
from support.clients.api import Connection
from support.processes.api_supervisor import api_supervised
from support.processes.daemon import Agent
from support.waiting import until

REFUSAL = "exit 3"


@contextmanager
def supervised(box: Deployed) -> Iterator[None]:
    """Supervise a process that ends at once while `<root>/fault` is there."""
    text = f'#!/bin/sh\n[ ! -e {box.root}/fault ] || {REFUSAL}\nexec {sys.executable} -P -m agent "$@"\n'
    with api_supervised(box.layout, box.root / "supervisor.log", program=[str(box.program("api", text))]):
        yield


def findings(box: Deployed) -> list[Finding]:
    now = box.clock()
    return [each for each in report(read_snapshot(box.layout, now), now).findings if each.severity.degrades]


def told_when_somebody_asks(box: Deployed) -> Finding:
    with closing(Connection(box.layout.api, 20)) as caller:
        caller.connect()
        until(lambda: findings(box), what="the failure is told")
    (found,) = findings(box)
    return found


@pytest.fixture
def box(appliance: Deployed) -> Deployed:
    appliance.settings('hostname = "gw"\n')
    appliance.apply()
    return appliance


def fault(box: Deployed) -> Path:
    return box.root / "fault"


def test_a_process_that_ends_at_once_is_told_until_it_runs(box: Deployed) -> None:
    fault(box).touch()
    with supervised(box):
        found = told_when_somebody_asks(box)
        assert found.problem.lines() == [
            (
                "local API: The process of the local API fails (it ended with code 3): "
                "the web interface can't show or change anything."
            ),
            (
                "What is served goes on, and is renewed. See why in the agent's log: journalctl -u chainwright, "
                "or without systemd the files in /var/log/chainwright. "
                "It is started again by itself"
            ),
        ]
        fault(box).unlink()
        until(lambda: not findings(box), seconds=40, what="nothing is told any more")


def test_what_an_agent_has_left_told_is_found_out_by_the_next_one_though_nobody_asks(box: Deployed) -> None:
    fault(box).touch()
    with supervised(box):
        told_when_somebody_asks(box)
    fault(box).unlink()
    assert findings(box)
    with supervised(box):
        until(lambda: not findings(box), seconds=40, what="nothing is told any more")


def test_a_process_that_is_stopped_is_ended_and_the_next_one_answers_who_waits(box: Deployed) -> None:
    fault(box).touch()
    text = f"#!/bin/sh\n[ ! -e {fault(box)} ] || {{ rm {fault(box)}; kill -STOP $$; }}\n"
    program = box.program("api", f'{text}exec {sys.executable} -P -m agent "$@"\n')
    log = box.root / "supervisor.log"
    with (
        api_supervised(box.layout, log, program=[str(program)], accept_seconds=10),
        closing(Connection(box.layout.api, 60)) as caller,
    ):
        caller.request("GET", "/")
        assert caller.getresponse().status == HTTPStatus.NOT_FOUND
    assert "the process of the API failed: signal 9 ended it; it answers again in 1 s" in log.read_text()


def test_an_agent_whose_socket_was_removed_is_told_until_it_has_another_one(box: Deployed) -> None:
    with Agent(box.layout) as agent:
        agent.passes("the agent starts")
        assert findings(box) == []
        agent.signal(signal.SIGSTOP)
        box.layout.api.unlink()
        until(lambda: findings(box), seconds=20, what="it is told")
        (found,) = findings(box)
        assert found.problem.cause == (
            f"The agent runs (pid {agent.process.pid}, chainwright run), but somebody has removed its socket: "
            "neither the web interface nor commands reach it."
        )
        command = "systemctl restart chainwright (or rc-service chainwright restart)"
        restart = f"It makes another one within seconds. If it doesn't, restart it: {command}"
        assert found.problem.fix == restart
        agent.signal(signal.SIGCONT)
        until(lambda: not findings(box), seconds=40, what="it has another one")
        assert agent.ends() == 0
    assert findings(box) == []
