"""``chainwright clock``: what the appliance goes by, and its acceptance by a person."""

from __future__ import annotations

import json

import pytest

from agent.auth.audit_log import AuditLog
from agent.system.clock import Clock
from support.clients.terminal import Terminal


@pytest.fixture
def terminal(tunnel):
    """The terminal of an appliance whose agent has seen the machine's clock."""
    Clock(tunnel.root).note()
    return Terminal(tunnel.root)


def leap(tunnel, seconds: int) -> None:
    """Have the memory look as if the clock had been set back by so many seconds while the machine ran."""
    memory = tunnel.layout.private / "clock"
    noted = json.loads(memory.read_text())
    memory.write_text(json.dumps(noted | {"instant": noted["instant"] + seconds, "exact": True}))


def test_a_clock_that_is_believed_is_shown_with_what_it_says(terminal):
    done = terminal.run("clock", "show")
    wall, believed = (line.split()[-1] for line in done.stdout.splitlines())
    assert (done.returncode, done.stderr, wall) == (0, "", believed)
    assert terminal.json("clock", "show")["clock"]["doubt"] is None


def test_a_clock_that_leapt_is_shown_with_the_reason_and_accepted(tunnel, terminal):
    leap(tunnel, 7200)
    done = terminal.run("clock", "show")
    assert done.returncode == 3
    assert done.stdout.splitlines()[2].endswith("it was set to another time while the machine ran")
    assert terminal.run("status").stdout.count("chainwright clock accept") == 1
    done = terminal.run("clock", "accept")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("The machine's clock is believed: 20")
    assert terminal.run("clock", "show").returncode == 0
    with tunnel.store() as store:
        row = AuditLog(store).newest(1)[0]
        assert (row.action, row.detail.partition(" 20")[0]) == ("clock accepted", "believed was")
        assert store.journal.since(limit=1)[0].text.startswith("the machine's clock is believed again: ")
