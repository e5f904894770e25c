"""`chainwright boot` ends in time whatever is wrong, and services start with the last good files then."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.model.deployment import Outcome, Step
from agent.store.copies import alone, copies
from agent.store.upgrade import is_up_to_date
from support.appliances.deployed import Deployed, served
from support.clients.terminal import PROGRAM, Terminal
from support.older import make_old
from support.processes import prepared
from support.waiting import until

SECONDS = 8
HANGING = "#!/bin/sh\nexec sleep 600\n"


def live_files(appliance: Deployed) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in appliance.live("tunnel").iterdir()}


def boot(appliance: Deployed, *options: str) -> tuple[int, str]:
    """Boot as firmware does; return the exit code and what was said."""
    terminal = Terminal(appliance.root)
    begun = time.monotonic()
    done = terminal.run("boot", *options, "--timeout", str(SECONDS), PATH=appliance.path)
    assert time.monotonic() - begun < SECONDS
    return done.returncode, done.stderr + done.stdout


def change(appliance: Deployed) -> None:
    """Make a new configuration due."""
    appliance.override(
        "tunnel/toyd.conf.j2", "# new\nlisten {{ module.port }}\nsite {{ module.domain }} {{ dir }}/tunnel.pem\n"
    )


def start_and_look(appliance: Deployed) -> str:
    appliance.stop("toyd")
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    return served(appliance.port, "t.example.test")


def test_a_test_that_hangs_keeps_what_is_new_out_and_the_agent_tries_it(tunnel: Deployed):
    before = live_files(tunnel)
    change(tunnel)
    good = (tunnel.root / "bin/toyd").read_text()
    tunnel.program("toyd", HANGING)
    code, said = boot(tunnel)
    assert code == 3
    assert "tunnel: toyd gave no answer in the time that a boot has.\n" in said
    assert "Its last good files are in place. The agent tries what is new by itself once it runs" in said
    assert live_files(tunnel) == before
    tunnel.program("toyd", good)
    assert start_and_look(tunnel)
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is Outcome.UNSEEN
    assert b"# new" in live_files(tunnel)["toyd.conf"]


def test_where_there_is_nothing_to_fall_back_on_it_is_put_in_place_untested(appliance: Deployed):
    appliance.drop_in("tunnel")
    appliance.settings('hostname = "gw"\n[modules.tunnel]\ndomain = "t.example.test"\n')
    appliance.program("toyd", HANGING)
    code, said = boot(appliance)
    assert code == 0, said
    assert (appliance.live("tunnel") / "tunnel.pem").exists()


def test_what_served_before_is_put_back_without_a_test(tunnel: Deployed):
    before = live_files(tunnel)
    (tunnel.live("tunnel") / "tunnel.pem").unlink()
    tunnel.program("toyd", "#!/bin/sh\ntouch $0.ran\nexit 1\n")
    code, said = boot(tunnel)
    assert code == 0, said
    assert live_files(tunnel)["tunnel.pem"] == before["tunnel.pem"]
    assert not (tunnel.root / "bin/toyd.ran").exists()


@pytest.mark.parametrize(
    "method", ["declare_needs(self, host)", "probes(self, context)", "render_files(self, context)"]
)
def test_a_plugin_that_hangs_is_named_and_left_out(tunnel: Deployed, method: str):
    before = live_files(tunnel)
    tunnel.clock.advance(days=61)
    tunnel.dies_at(Step.SWITCHING)
    plugin = tunnel.layout.plugins / "tunnel.py"
    hanging = f"\ndef hang{method[method.index('(') :]}:\n    import time\n\n    time.sleep(600)\n\n\n"
    plugin.write_text(f"{plugin.read_text()}{hanging}Tunnel.{method.partition('(')[0]} = hang\n")
    code, said = boot(tunnel)
    assert code == 3, said
    assert "of tunnel did not end within 2 s.\n" in said
    assert live_files(tunnel) == before
    with tunnel.store() as store:
        assert store.deployments.transactions() == []


def test_a_plugin_that_hangs_while_it_is_loaded(tunnel: Deployed):
    before = live_files(tunnel)
    plugin = tunnel.layout.plugins / "tunnel.py"
    plugin.write_text("import time\ntime.sleep(600)\n" + plugin.read_text())
    code, said = boot(tunnel)
    assert code == 3
    assert "reading the settings and loading the plugins did not end within" in said
    assert "Services start with their last good files. The agent does the rest by itself once it runs" in said
    assert live_files(tunnel) == before


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_lock_that_another_holds(tunnel: Deployed):
    with locked(tunnel.layout.lock):
        assert boot(tunnel)[0] == 5


def test_a_database_that_another_writes_to(tunnel: Deployed):
    connection = sqlite3.connect(tunnel.layout.database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    code, said = boot(tunnel)
    assert code in {3, 5}, said
    assert "Services start with their last good files." in said or "The database is busy" in said
    connection.close()
    assert boot(tunnel)[0] == 0


def test_an_older_database_whose_copy_is_not_made_in_time_is_brought_up_to_date_without(tunnel: Deployed):
    known = copies(tunnel.layout)
    (tunnel.live("tunnel") / "tunnel.pem").unlink()
    make_old(tunnel.layout)
    with alone(tunnel.layout):
        code, said = boot(tunnel)
    assert code == 0, said
    assert (tunnel.live("tunnel") / "tunnel.pem").exists()
    assert copies(tunnel.layout) == known
    with tunnel.store() as store:
        assert is_up_to_date(store.database)


def test_an_older_database_that_another_writes_to(tunnel: Deployed):
    before = live_files(tunnel)
    make_old(tunnel.layout)
    connection = sqlite3.connect(tunnel.layout.database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    code, said = boot(tunnel)
    connection.close()
    assert code == 3, said
    assert "Services start with their last good files." in said
    assert live_files(tunnel) == before


def is_free(path: Path) -> bool:
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_what_hangs_in_a_boot_that_is_killed_gives_the_lock_back(tunnel: Deployed):
    plugin = tunnel.layout.plugins / "tunnel.py"
    plugin.write_text("import time\ntime.sleep(600)\n" + plugin.read_text())
    process = prepared.start([*PROGRAM[1:], "boot", "--timeout", "500", "--root", str(tunnel.root)])
    try:
        until(lambda: not is_free(tunnel.layout.lock), what="it has the lock")
    finally:
        process.kill()
        process.wait(20)
    until(lambda: is_free(tunnel.layout.lock), what="the lock is free")
