"""What a service would read at its next start may change while nothing is deployed: its own test is run when it is looked at."""

import sys
from typing import Any

import pytest

from agent.engine.recheck import Recheck
from agent.model.deployment import Outcome
from support.appliances.deployed import TOYD, Deployed
from support.ports import free_port
from support.told import codes, told

GOOD = f'#!/bin/sh\nexec {sys.executable} {TOYD} "$@"\n'
BAD = "#!/bin/sh\nseq 30 >&2\necho 'error: their.pem is gone' >&2\nexit 1\n"
FINDING = "deploy.next_start_fails"


def own(appliance: Deployed) -> None:
    """A module that has its service for itself."""
    appliance.drop_in("tunnel")
    appliance.settings(f'hostname = "gw"\n[modules.tunnel]\nport = {free_port()}\ndomain = "t.example.test"\n')


def shared(appliance: Deployed) -> None:
    """Two modules in one service."""
    appliance.drop_in("shared")
    port = free_port()
    modules = "".join(f'[modules.{name}]\nport = {port}\nsites = ["{name}.test"]\n' for name in ("front", "side"))
    appliance.settings(f'hostname = "gw"\nplugins.shared.enabled = true\n[services.toyd]\nport = {port}\n{modules}')


def pressing(appliance: Deployed) -> list[dict[str, Any]]:
    """Return what is told that somebody should act on: that a service waits is a notice."""
    return [each for each in told(appliance) if each["severity"] != "notice"]


@pytest.mark.parametrize(("configure", "kind", "name"), [(own, "module", "tunnel"), (shared, "service", "toyd")])
def test_one_that_waits_and_would_not_start_is_told_until_it_would(appliance, configure, kind, name):
    configure(appliance)
    appliance.apply()
    appliance.apply()
    assert pressing(appliance) == []
    appliance.program("toyd", BAD)
    appliance.runner.ran.clear()
    assert appliance.apply().performed == ()
    tests = appliance.runner.count("--check")
    assert tests == (2 if configure is shared else 1), "once, however many modules it has, and once without any of them"
    appliance.runner.ran.clear()
    appliance.apply()
    assert appliance.runner.count("--check") == 1, "nothing else is tried where nothing of ours is to blame"
    found = pressing(appliance)
    assert codes(found) == [(kind, name, "error", FINDING)]
    problem = found[0]["problem"]
    assert problem["cause"] == f"{name} would not start with what is in place now: error: their.pem is gone."
    assert problem["fix"].startswith("Correct what it names, as this shows it: toyd --check ")
    lines = problem["detail"].splitlines()
    assert problem["effect"] == "It does not run, and its start would fail."
    assert (lines[0][:14], lines[1:]) == ("$ toyd --check", [*map(str, range(12, 31)), "error: their.pem is gone"])
    assert appliance.deployment("front" if configure is shared else name).outcome is Outcome.WAITING
    appliance.program("toyd", GOOD)
    appliance.apply()
    assert pressing(appliance) == []


def test_one_that_is_not_installed_any_more_only_waits(appliance):
    own(appliance)
    appliance.apply()
    (appliance.root / "bin/toyd").unlink()
    appliance.apply()
    assert pressing(appliance) == []


def test_it_is_told_no_longer_once_the_module_is_gone(appliance):
    own(appliance)
    appliance.apply()
    appliance.program("toyd", BAD)
    appliance.apply()
    assert [each["problem"]["code"] for each in pressing(appliance)] == [FINDING]
    appliance.settings('hostname = "gw"\n')
    appliance.apply()
    assert pressing(appliance) == []


def test_a_boot_runs_no_test_and_keeps_what_is_known(appliance):
    own(appliance)
    appliance.apply()
    appliance.program("toyd", BAD)
    appliance.apply()
    appliance.runner.ran.clear()
    appliance.engine().boot()
    assert appliance.runner.ran == []
    assert [each["problem"]["code"] for each in pressing(appliance)] == [FINDING]


def test_one_that_serves_is_looked_at_when_its_endpoints_are_and_not_in_between(tunnel):
    tunnel.apply()
    tunnel.program("toyd", BAD)
    tunnel.runner.ran.clear()
    tunnel.apply()
    assert tunnel.runner.ran == []
    tunnel.engine().apply(wait=0, recheck=Recheck.ALL)
    assert tunnel.runner.count("--check") == len(tunnel.runner.ran) == 1
    assert [each["problem"]["code"] for each in pressing(tunnel)] == [FINDING]
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE


def test_a_new_generation_that_passes_the_test_ends_it_at_once(tunnel):
    tunnel.program("toyd", BAD)
    tunnel.engine().apply(wait=0, recheck=Recheck.ALL)
    tunnel.program("toyd", GOOD)
    tunnel.override("tunnel/toyd.conf.j2", '{% include "default:toyd.conf.j2" %}\n# changed\n')
    tunnel.apply()
    with tunnel.store() as store:
        assert store.conditions.of("next start") == []
