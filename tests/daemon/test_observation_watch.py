"""The supervisor runs what services tell of themselves by, and asks for a pass where that is something else than before."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agent.daemon.event_loop import EventLoop
from agent.daemon.observation_watch import MOST_CHANGES, ObservationWatch
from agent.system.observed_output import FAILED, LONGEST, SECONDS, digest_of
from chainwright import state_line
from support.appliances.idle import START
from support.processes.daemon import Agent
from support.waiting import until

UP, DOWN = state_line("north", "up"), state_line("north", "down")
NEWS = "charon tells something else of itself"


class Watched:
    """A watch on one command, in a loop, with a clock that the test moves."""

    def __init__(self, loop: EventLoop, tmp_path) -> None:
        self.now = 1000.0
        self.loop = loop
        self.said = tmp_path / "said"
        self.watch = ObservationWatch(loop.watch, clock=lambda: self.now)

    def follow(self, digest: str, *argv: str) -> None:
        command = {"owner": "charon", "argv": [*(argv or ("cat", str(self.said)))], "environment": {}, "digest": digest}
        self.watch.follow({"seconds": 60, "commands": [command]})

    def news(self) -> str:
        """Let a minute pass, and what is then run end."""
        self.now += 60
        told = self.watch.look()
        while self.watch._running is not None:
            self.loop.wait(5)
        return told or self.watch.look()


@pytest.fixture
def watched(tmp_path):
    with EventLoop(stops=(), pokes=()) as loop:
        made = Watched(loop, tmp_path)
        yield made
        made.watch.close()


def test_the_same_as_before_asks_for_nothing(watched):
    watched.said.write_text(f"noise\n{UP}\n")
    watched.follow(digest_of(UP))
    assert (watched.news(), watched.news()) == ("", "")


def test_something_else_asks_for_a_pass_once_until_a_pass_has_seen_another_thing(watched):
    watched.said.write_text(DOWN)
    watched.follow(digest_of(UP))
    assert watched.news() == NEWS
    assert watched.news() == "", "the pass has been asked for"
    watched.follow(digest_of(UP))
    assert watched.news() == "", "a pass was made, and saw it otherwise: asking again would go on without end"
    watched.follow(digest_of(DOWN))
    assert watched.news() == ""
    watched.said.write_text(UP)
    assert watched.news() == NEWS


def test_one_that_never_tells_the_same_twice_has_a_pass_made_less_often(watched):
    passes = 0
    for number in range(60):
        watched.said.write_text(state_line("north", f"up for {number} minutes"))
        watched.follow(digest_of(UP))
        passes += watched.news() == NEWS
    assert passes == MOST_CHANGES + 5
    watched.said.write_text(UP)
    assert watched.news() == ""
    watched.said.write_text(DOWN)
    assert watched.news() == NEWS, "it was the same again"


@pytest.mark.parametrize("argv", [("false",), ("/nowhere/program",)])
def test_a_command_that_fails_or_is_gone_is_news_unless_it_failed_before(watched, argv):
    watched.follow(digest_of(UP), *argv)
    assert watched.news() == NEWS
    watched.follow(FAILED, *argv)
    assert watched.news() == ""


def test_one_that_hangs_is_ended(watched):
    watched.follow(digest_of(UP), "sleep", "1000")
    watched.now += 60
    assert watched.watch.look() == ""
    watched.now += SECONDS
    assert watched.watch.seconds == 0
    watched.watch.look()
    while watched.watch._running is not None:
        watched.loop.wait(5)
    assert watched.watch.look() == NEWS


def test_one_that_prints_without_end_is_read_as_far_as_is_allowed(watched):
    watched.follow(digest_of(UP), sys.executable, "-I", "-S", "-c", f"print('{{' * {8 * LONGEST})")
    assert watched.news() == NEWS


def test_what_runs_is_ended_with_the_watch(watched):
    watched.follow(digest_of(UP), "sleep", "1000")
    watched.now += 60
    watched.watch.look()
    pid = watched.watch._running.child.pid
    watched.watch.close()
    assert not Path(f"/proc/{pid}").exists()


def test_the_daemon_mends_within_its_interval_what_was_changed_behind_its_back(appliance):
    appliance.drop_in("telling")
    appliance.settings('hostname = "gw"\n[probe]\nobserve_seconds = 5\n[modules.telling]\n')
    states = appliance.layout.run / "telling.states"
    states.write_text(f"{UP}\n")
    appliance.program("telling-load", f"#!/bin/sh\ncat >\"$1\" <<'END'\n{UP}\nEND\n")
    with Agent(appliance.layout, {"PATH": appliance.path}) as agent:
        agent.passes(START)
        states.write_text('{"differs": "north is gone"}\n')
        until(lambda: states.read_text() == f"{UP}\n", seconds=40, what="it was loaded again")
        agent.passes("telling tells something else of itself")
