"""How the web interface's process starts and ends."""

import signal
from pathlib import Path

import pytest

from plugins.webui.site import Site
from support.appliances.webui import Appliance, Pair, Root


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(serving: Appliance, number: signal.Signals) -> None:
    assert serving.process
    assert serving.pid_file.read_text() == f"{serving.process.pid}\n"
    assert serving.stop(number) == 0
    assert not serving.pid_file.exists()
    with pytest.raises(ConnectionRefusedError):
        serving.presented()
    assert "ERROR" not in serving.log


def test_a_client_that_holds_its_connection_open_does_not_hold_up_the_end(serving: Appliance) -> None:
    with serving.connect():
        assert serving.stop() == 0
    assert "ERROR" not in serving.log


def test_a_switch_that_nobody_announced_because_it_came_during_the_start_is_caught_up(
    appliance: Appliance, ecdsa: Pair, rsa: Pair
) -> None:
    appliance.stage(1, ecdsa)
    appliance.stage(2, rsa)
    appliance.switch(1)
    site = Site(appliance.live)
    site.catch_up()
    assert site.generation.number == 1
    appliance.switch(2)
    site.catch_up()
    assert site.generation.number == 2


def test_a_stale_pid_file_is_replaced_and_a_successors_is_left_alone(appliance: Appliance, ecdsa: Pair) -> None:
    appliance.pid_file.write_text("999999\n")
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.start()
    assert appliance.process
    assert appliance.pid_file.read_text() == f"{appliance.process.pid}\n"
    appliance.pid_file.write_text("999998\n")
    assert appliance.stop() == 0
    assert appliance.pid_file.read_text() == "999998\n"


def test_without_a_generation_it_ends_and_says_what_to_do(appliance: Appliance) -> None:
    assert appliance.launch().wait(20) == 1
    assert appliance.log == (
        f"{appliance.live}: The web interface has no generation to serve.\n"
        "Run `chainwright apply` to deploy the web interface.\n"
    )
    assert not appliance.pid_file.exists()


def test_with_an_unusable_first_generation_it_ends_and_says_what_to_do(
    appliance: Appliance, root: Root, ecdsa: Pair
) -> None:
    generation = appliance.stage(1, ecdsa)
    (generation / "address/key.pem").write_bytes(root.issue("gw").key)
    appliance.switch(1)
    assert appliance.launch().wait(20) == 1
    assert appliance.log == (
        f"{generation}/address/key.pem: This private key does not belong to the first certificate in "
        f"{generation}/address/fullchain.pem.\n"
        "Run `chainwright apply` to deploy the web interface again.\n"
    )


def test_a_port_that_is_taken_ends_it_and_says_so(serving: Appliance, root: Root, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = Appliance(root, tmp_path / "second")
    second.live.symlink_to(serving.live)
    assert second.launch(port=serving.port).wait(20) == 1
    assert second.log == (
        f"127.0.0.1:{serving.port}: The web interface cannot listen here: Address already in use.\n"
        "Stop what holds the port, or choose another address or port in [modules.webui].\n"
    )
    assert not second.pid_file.exists()


def test_a_pid_file_that_cannot_be_written_ends_it_and_says_so(appliance: Appliance, ecdsa: Pair) -> None:
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.pid_file = appliance.directory / "nowhere" / "run" / "webui.pid"
    assert appliance.launch().wait(20) == 1
    assert appliance.log == (
        f"{appliance.pid_file}: The pid file, which the agent needs to announce a new chain, "
        "cannot be written: No such file or directory.\n"
        f"Let the web interface's user write to {appliance.pid_file.parent}.\n"
    )
