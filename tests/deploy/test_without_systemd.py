"""Services that the settings leave to systemd, on a machine where something else starts services."""

import pytest

from agent.deploy.evidence import _advice_of
from agent.errors.deploy import NoSystemd
from agent.model.deployment import Outcome
from agent.registry.hooks import Hooks
from chainwright import Nginx
from support.appliances.proxied import OWN, Proxied

SET = 'Set manager = "commands" in [services.nginx], then: chainwright apply'
SYSTEMCTL = """#!/bin/sh
echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2
echo "Failed to connect to bus: Host is down" >&2
exit 1
"""


@pytest.fixture(params=["not booted with it", "not installed"])
def box(request, tmp_path, monkeypatch):
    if request.param == "not booted with it":
        (tmp_path / "systemctl").write_text(SYSTEMCTL)
        (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with Proxied.make(service={"main": "own", "worker_processes": 1, "start": True}) as box:
        box.configure()
        yield box


@pytest.mark.usefixtures("box")
def test_what_is_to_be_set_is_said_and_works(box):
    box.apply()
    waiting = box.deployment("reverse_proxy")
    assert (waiting.outcome, waiting.problem) == (Outcome.WAITING, NoSystemd("nginx").problem)
    assert waiting.problem.lines() == [
        "nginx: systemd does not run here, and the service is left to it.",
        f"The new files are in place; nothing tells the service of them. {SET}",
    ]
    box.service = {**OWN, "start": True}
    box.configure()
    box.apply()
    box.assert_live()


def test_one_that_serves_and_can_not_be_told_is_a_finding_and_no_rollback(box):
    box.service = {**OWN, "start": True}
    box.configure()
    box.apply()
    box.service = {"main": "own", "worker_processes": 1, "start": True}
    box.configure()
    box.apply()
    box.clock.advance(minutes=16)
    box.apply()
    with box.store() as store:
        assert [each.problem for each in store.conditions.of("reloadable")] == [NoSystemd("nginx").problem]


def test_an_advice_that_would_not_work_here_is_not_given():
    assert _advice_of(Hooks({}, {}), Nginx(), systemd=True) == "systemctl status nginx, then systemctl start nginx"
    by_setting = 'set manager = "commands" in [services.nginx], as systemd does not run here, then: chainwright apply'
    assert _advice_of(Hooks({}, {}), Nginx(), systemd=False) == by_setting
    by_log = "look at its log and start nginx"
    assert _advice_of(Hooks({}, {}), Nginx(manager="commands", start=True), systemd=False) == by_log
