"""Commands that only look: they wait for no process that writes to the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.appliances.api import NAME, make_tunnel
from support.appliances.deployed import Deployed
from support.clients.terminal import Terminal
from support.processes.writing import writing

LOOKS = (
    ["status"],
    ["status", "--json"],
    ["plan"],
    ["explain", "tunnel"],
    ["show", NAME],
    ["uploads"],
    ["events"],
    ["config", "show"],
    ["config", "check"],
    ["render", "tunnel"],
    ["plugins"],
    ["root", "show"],
    ["webui", "users"],
    ["webui", "audit"],
    ["webui", "token", "list"],
)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    appliance = Deployed(tmp_path_factory.mktemp("box"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", appliance.path)
        make_tunnel(appliance)
        yield appliance
    appliance.close()


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_a_look_waits_for_no_process_that_writes(up: Deployed, words: list[str]) -> None:
    terminal = Terminal(up.root)
    expected = terminal.run(*words)
    with writing(up.layout.database):
        done = terminal.run(*words)
    assert (done.returncode, done.stderr) == (expected.returncode, expected.stderr)
    assert expected.returncode == 0, expected.stderr


def test_a_change_that_finds_the_database_busy_ends_with_5(up: Deployed) -> None:
    with writing(up.layout.database):
        done = Terminal(up.root).run("apply", "--look")
    assert done.returncode == 5, done.stderr
    assert "The database is busy: another process is writing to it" in done.stderr
    assert "backup" not in done.stderr
