"""The throw-away appliance: what a test of a plugin does with it."""

from pathlib import Path

import pytest

from chainwright.testing import Appliance, free_port, tls_server
from support.paths import THIRD_PARTY


@pytest.fixture
def box():
    with Appliance.make() as made:
        made.install(THIRD_PARTY / "tunnel.py")
        made.runner.answer("toyd --check")
        made.port = free_port()
        made.settings({"modules": {"tunnel": {"domain": "t.lan", "port": made.port}}})
        yield made


def serving(box: Appliance):
    box.apply()
    return tls_server(
        box.live("tunnel").parent / "live/tunnel.pem", port=box.port, pid_file=box.layout.run / "toyd.pid"
    )


def test_a_module_waits_is_deployed_and_renewed(box: Appliance):
    with serving(box) as server:
        assert box.deployment("tunnel").outcome == "waiting"
        box.apply()
        assert box.deployment("tunnel").outcome == "live"
        (chain,) = box.chains("tunnel").values()
        assert box.served(box.port) == chain == server.served()[0]
        assert sorted(box.files("tunnel")) == ["toyd.conf", "tunnel.pem"]
        assert "listen" in box.files("tunnel")["toyd.conf"].read_text()
        box.renew()
        assert box.served(box.port) == box.chains("tunnel")["default"] != chain
        assert box.runner.count("SIGHUP") == 1
        assert all(result.ok for result in box.runner.results)
        assert [each["names"] for each in box.status()["chains"]] == [["t.lan"], ["t.lan"]]


def test_a_reload_that_is_ignored_is_rolled_back(box: Appliance):
    with serving(box) as server:
        box.apply()
        before = box.live("tunnel")
        server.ignore_reloads()
        box.renew()
        assert box.deployment("tunnel").outcome == "rolled_back"
        assert box.live("tunnel") == before


def test_an_upload_with_an_intermediate_is_served_as_a_whole(box: Appliance):
    with serving(box) as server:
        chain = box.sample_chain(["t.lan"])
        box.upload(chain)
        box.apply()
        assert server.served() == chain.fingerprints


@pytest.mark.parametrize("step", ["stage", "check", "staged", "switching", "reloading", "probing", "keeping"])
def test_a_pass_that_is_killed_goes_on(box: Appliance, step: str):
    with serving(box) as server:
        box.apply()
        box.clock.advance(days=61)
        assert box.kill_at(step)
        box.apply()
        assert box.deployment("tunnel").outcome == "live"
        assert server.served()[0] == box.chains("tunnel")["default"]


def test_a_step_that_a_pass_does_not_come_to_kills_nothing(box: Appliance):
    assert not box.kill_at("going_back")


def test_answers_take_the_place_of_programs(box: Appliance):
    box.runner.answer("toyd --check", "toyd: error: no", exit_code=1)
    box.apply()
    assert "toyd refused the new configuration: error: no." in box.deployment("tunnel").problem.cause


def test_names_resolve_as_the_test_says(box: Appliance):
    box.names["a.lan"] = ["192.0.2.1"]
    assert box.resolve("a.lan") == ["192.0.2.1"]
    with pytest.raises(OSError, match="Name or service not known"):
        box.resolve("b.lan")
    assert box.asked == ["a.lan", "b.lan"]


def test_settings_may_be_text(box: Appliance, tmp_path: Path):
    box.settings('[modules.tunnel]\ndomain = "u.lan"\n')
    assert box.layout.settings.read_text().startswith('sources = ["uploaded", "local"]\n[modules.tunnel]')
