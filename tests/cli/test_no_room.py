"""A state without space, without inodes or read-only: what looks works and says so, what writes says one sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.model.deployment import Outcome
from support.appliances.api import make_tunnel
from support.appliances.deployed import Deployed, served
from support.clients.terminal import Terminal
from support.obstacles import no_inodes, no_space, read_only, sh

LOOKING = {"status": 3, "explain tunnel": 0, "show t.example.test": 0, "plan": 0, "events": 0, "uploads": 0}
"""Commands with their exit codes."""


@pytest.fixture
def tunnel(appliance: Deployed) -> Iterator[Deployed]:
    state = appliance.layout.state
    state.mkdir(parents=True)
    sh("mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=300,mode=711", "none", state)
    try:
        make_tunnel(appliance)
        yield appliance
    finally:
        sh("umount", "-l", state)


CASES = [
    (no_space, False, "is nearly full: 0 MiB are free.", "The database can't be written: the disk is full ("),
    (no_space, True, "is nearly full: 0 MiB are free.", "The database can't be written: the disk is full ("),
    (
        no_inodes,
        False,
        "is nearly full: 0 more files can be made.",
        "The database can't be written: the disk is full (",
    ),
    (no_inodes, True, "is nearly full: 0 more files can be made.", ""),
    (read_only, False, "is mounted read-only.", "is mounted read-only.\n"),
]
"""What is wrong, whether another process has the database open, what a status says, and what a pass says.

Without inodes there is room in the database that is open elsewhere: a pass has nothing to do there, and says what is wrong.
"""


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "beside", "finding", "refusal"),
    CASES,
    ids=[f"{each[0].__name__}{' beside another' if each[1] else ''}" for each in CASES],
)
def test_it_is_said_and_what_serves_goes_on(tunnel, kind, beside, finding, refusal, request):
    before = served(tunnel.port, "t.example.test")
    terminal = Terminal(tunnel.root)
    if beside:
        store = tunnel.store()
        request.addfinalizer(store.close)
    cure = kind(tunnel.layout.state)
    for command, code in LOOKING.items():
        done = terminal.run(*command.split(), PATH=tunnel.path)
        assert done.returncode == code, (command, done.stdout, done.stderr)
    status = terminal.json("status")
    assert any(finding in each["problem"]["cause"] for each in status["findings"]), status["findings"]
    for command in ("apply", "renew", "boot"):
        done = terminal.run(command, PATH=tunnel.path)
        if refusal:
            assert done.returncode == 1, (command, done.stdout, done.stderr)
            assert refusal in done.stderr
            assert done.stderr.count("\n") == 2
        else:
            assert done.returncode in {0, 1, 3}
            assert "Traceback" not in done.stderr
            assert "unexpected" not in done.stderr
    assert served(tunnel.port, "t.example.test") == before
    cure()
    tunnel.renew()
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    assert served(tunnel.port, "t.example.test") != before
