"""A service that serves but can't be told to reload is told of at the look, not at the renewal that would not reach it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.daemon.pass_facts import what_to_watch
from agent.daemon.service_watch import WATCHED, ServiceWatch
from agent.engine.recheck import Recheck
from agent.model.deployment import Outcome
from support.ports import free_port
from support.told import codes, told

FINDING = "deploy.not_reloadable"


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which must get no signal."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def look(appliance):
    """Look at everything, and return what is told."""
    appliance.engine().apply(wait=0, recheck=Recheck.ALL)
    return told(appliance)


@pytest.fixture
def unknown(tunnel):
    """The tunnel, whose daemon was started with a configuration of the administrator's: nothing shows whose process it is."""
    configuration = tunnel.root / "toyd.conf"
    configuration.write_text(f"include {tunnel.layout.module('tunnel').live}/toyd.conf\n")
    tunnel.stop("toyd")
    tunnel.start("toyd", configuration)
    return tunnel


def test_a_pid_file_that_is_gone_is_told_until_the_service_is_restarted(unknown):
    tunnel = unknown
    pid_file, daemon = tunnel.layout.run / "toyd.pid", tunnel.processes["toyd"]
    number = pid_file.read_text()
    pid_file.unlink()
    found = look(tunnel)
    assert codes(found) == [("module", "tunnel", "warning", FINDING)]
    problem = found[0]["problem"]
    assert problem["cause"] == f"tunnel serves, but can't be told to reload: {pid_file} is missing."
    assert problem["effect"] == "What it serves goes on, and the next chain does not reach it."
    assert problem["fix"] == f"End it (kill {daemon.pid}), then start it again; the agent looks again by itself."
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    since = found[0]["since"]
    tunnel.clock.advance(minutes=1)
    assert look(tunnel)[0]["since"] == since
    pid_file.write_text(number)
    tunnel.apply()
    assert told(tunnel) == []


def test_a_pid_file_that_names_another_process_is_told_with_its_number(tunnel, stranger):
    pid_file = tunnel.layout.run / "toyd.pid"
    pid_file.write_text(f"{stranger.pid}\n")
    found = look(tunnel)
    assert codes(found) == [("module", "tunnel", "warning", FINDING)]
    reason = f"{pid_file} names pid {stranger.pid}, which is another process"
    assert found[0]["problem"]["cause"] == f"tunnel serves, but can't be told to reload: {reason}."
    assert stranger.poll() is None


@pytest.mark.parametrize("text", ["", "{ended}"])
def test_a_pid_file_that_names_nobody_is_told(unknown, text):
    tunnel = unknown
    process = subprocess.Popen(["true"])
    process.wait()
    pid_file = tunnel.layout.run / "toyd.pid"
    pid_file.write_text(text.format(ended=process.pid))
    cause = look(tunnel)[0]["problem"]["cause"]
    assert cause == f"tunnel serves, but can't be told to reload: no process has the number in {pid_file}."


def test_one_that_has_stopped_is_told_as_stopped_only(tunnel):
    tunnel.stop("toyd")
    assert FINDING not in {each["problem"]["code"] for each in look(tunnel)}


def test_it_is_told_no_longer_once_the_module_is_gone(unknown):
    tunnel = unknown
    (tunnel.layout.run / "toyd.pid").unlink()
    assert look(tunnel) != []
    tunnel.settings('hostname = "gw"\n')
    tunnel.apply()
    assert FINDING not in {each["problem"]["code"] for each in told(tunnel)}


RUNNING = """
    def running(self, context: ServiceContext) -> Command:
        return Command(("toyd-status", "--quiet"))

    def start_command(self, context: ServiceContext) -> Command:
        return Command(("toyd-start",))

    def reload_command(self, context: ServiceContext) -> Action:
"""


def test_a_service_whose_manager_knows_nothing_of_what_serves_is_told_once_with_its_start(appliance):
    appliance.drop_in("shared")
    plugin = appliance.layout.plugins / "shared.py"
    plugin.write_text(
        plugin.read_text().replace("\n    def reload_command(self, context: ServiceContext) -> Action:\n", RUNNING)
    )
    status = appliance.program("toyd-status", "#!/bin/sh\nexit 0\n")
    port = free_port()
    modules = "".join(f'[modules.{name}]\nport = {port}\nsites = ["{name}.test"]\n' for name in ("front", "side"))
    appliance.settings(f'hostname = "gw"\nplugins.shared.enabled = true\n[services.toyd]\nport = {port}\n{modules}')
    appliance.apply()
    appliance.start("toyd", appliance.layout.service("toyd").live / "entry.conf")
    assert look(appliance) == []
    appliance.program("toyd-status", "#!/bin/sh\nexit 3\n")
    found = look(appliance)
    assert codes(found) == [("service", "toyd", "warning", FINDING)]
    assert found[0]["problem"]["cause"] == (
        "toyd serves, but can't be told to reload: toyd-status says that it does not run."
    )
    kill = f"kill {appliance.processes['toyd'].pid}"
    assert found[0]["problem"]["fix"] == f"End it ({kill}), then start it: toyd-start; the agent looks again by itself."
    Path(status).write_text("#!/bin/sh\nexit 0\n")
    appliance.apply()
    assert told(appliance) == []


def test_the_daemon_notices_a_pid_file_that_is_gone(tunnel):
    pid_file = tunnel.layout.run / "toyd.pid"
    with tunnel.store() as store, store.write():
        store.remember("pid files", str(pid_file))
    watch = ServiceWatch(lambda _descriptor, _call: lambda: None)
    watched = what_to_watch(tunnel.layout)
    watch.follow(*(watched[each] for each in WATCHED))
    assert (watch.look(), watch.changed) == ("", False)
    pid_file.unlink()
    assert (watch.look(), watch.changed) == ("the pid file of a service has changed", True)
    watch.close()
