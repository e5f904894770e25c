"""A configuration whose taking over nothing shows is switched, not seen; what shows it is a number, a command, or a new chain."""

import os
import signal

import pytest

from agent.model.deployment import Outcome
from agent.report import read_snapshot, report
from agent.system.processes import process_of
from support.appliances.deployed import Deployed, served
from support.appliances.proxied import Proxied
from support.paths import THIRD_PARTY
from support.ports import free_port

CONFIRM = '    confirm = ("grep", "-q", "^{dir}/", "{run}/toyd.loaded")\n'
MISSING = '    confirm = ("confirm-toyd",)\n'
UNPROBED = '    unprobed = "it is only reached from inside of a tunnel"\n'
CHANGED = '{% include "default:toyd.conf.j2" %}\n# changed\n'
NAME = "t.example.test"


def bring_up(appliance: Deployed, more: str = "", endpoints: bool = True) -> int:
    """Have the tunnel of tests/third_party served, with one more line in its class; return its port."""
    appliance.drop_in("tunnel")
    source = (THIRD_PARTY / "tunnel.py").read_text()
    source = source.replace("    port: int", f"{more}    port: int")
    if not endpoints:
        source = source.partition("    def probes")[0] + "\n\n@hookimpl" + source.partition("@hookimpl")[2]
    (appliance.layout.plugins / "tunnel.py").write_text(source)
    port = free_port()
    table = f'[modules.tunnel]\nport = {port}\ndomain = "{NAME}"\n'
    appliance.settings(f'hostname = "gw"\n[probe]\ntimeout = 2\n{table}')
    appliance.apply()
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    appliance.apply()
    appliance.events.clear()
    return port


def change(appliance: Deployed) -> None:
    appliance.override("tunnel/toyd.conf.j2", CHANGED)
    appliance.apply()


def told(appliance: Deployed) -> list[str]:
    return [each.text for each in appliance.events if each.kind in {"deployed", "rolled_back"}]


def state_of(appliance: Deployed) -> tuple[str, str, bool]:
    """Return the module's state, what is said where its chain is used, and whether somebody has to look."""
    now = appliance.clock()
    found = report(read_snapshot(appliance.layout, now), now)
    return found.modules[0].state, str(found.chains[0].used_by[0].deployment), found.degraded


def test_a_change_that_nothing_shows_is_never_said_to_be_in_service(appliance):
    bring_up(appliance)
    appliance.control("toyd").write_text("ignore")
    change(appliance)
    deployment = appliance.deployment("tunnel")
    assert (deployment.outcome, deployment.generation) == (Outcome.UNSEEN, 2)
    assert told(appliance) == ["generation 2 is switched, not seen"]
    assert state_of(appliance) == ("unseen", "unseen", False)
    assert deployment.problem.lines() == [
        "tunnel: The new configuration is switched, not seen: nothing shows that tunnel runs it.",
        "Its files are in place, and the reload reported no failure. Look at the service's log; a restart makes sure.",
    ]


def test_it_stays_unseen_until_a_new_chain_is_seen_on_the_wire(appliance):
    port = bring_up(appliance)
    change(appliance)
    appliance.clock.advance(minutes=16)
    appliance.apply()
    assert appliance.deployment("tunnel").outcome is Outcome.UNSEEN
    appliance.clock.advance(days=61)
    appliance.apply()
    assert appliance.deployment("tunnel").outcome is Outcome.LIVE
    assert appliance.deployment("tunnel").problem is None
    assert served(port, NAME) == served(port)


def test_a_change_that_a_command_confirms_is_in_service(appliance):
    bring_up(appliance, CONFIRM)
    change(appliance)
    assert appliance.deployment("tunnel").outcome is Outcome.LIVE
    assert told(appliance) == ["generation 2 is in service"]


def test_a_change_that_a_command_denies_is_taken_back(appliance):
    bring_up(appliance, CONFIRM)
    appliance.control("toyd").write_text("ignore")
    change(appliance)
    deployment = appliance.deployment("tunnel")
    assert (deployment.outcome, deployment.generation) == (Outcome.ROLLED_BACK, 1)
    assert deployment.problem.cause == "The service doesn't run the new configuration, says grep: exit code 1."
    assert deployment.problem.detail.startswith("$ grep -q ^")
    assert appliance.live("tunnel").name == "1"


def test_a_command_that_is_not_installed_confirms_nothing_and_denies_nothing(appliance):
    bring_up(appliance, MISSING)
    change(appliance)
    assert appliance.deployment("tunnel").outcome is Outcome.UNSEEN


def test_what_its_plugin_says_can_not_be_seen_is_not_said_to_be_in_service(appliance):
    bring_up(appliance, UNPROBED, endpoints=False)
    deployment = appliance.deployment("tunnel")
    assert (deployment.outcome, deployment.problem) == (Outcome.UNSEEN, None)


def test_a_module_without_an_endpoint_whose_command_confirms_it_is_in_service(appliance):
    bring_up(appliance, CONFIRM + UNPROBED, endpoints=False)
    change(appliance)
    assert appliance.deployment("tunnel").outcome is Outcome.LIVE


@pytest.fixture
def serving():
    with Proxied.make() as appliance:
        appliance.configure()
        appliance.bring_up()
        yield appliance


def test_a_change_of_nginx_itself_is_confirmed_by_its_workers(serving):
    serving.configure(service={**serving.service, "worker_connections": 300})
    serving.apply()
    serving.assert_live()
    assert serving.runner.count("confirm.py 2 ") >= 1
    serving.runner.ran.clear()
    serving.override("reverse_proxy/http.conf.j2", '{% include "default:http.conf.j2" %}\n# changed\n')
    serving.apply()
    serving.assert_live()
    assert serving.runner.count("confirm.py") == 0
    assert serving.deployment("reverse_proxy").generation == 2


def test_an_nginx_that_goes_on_with_its_old_main_file_is_found_out(serving):
    """Its master does not get as far as its signal; the workers go on."""
    serving.configure(service={**serving.service, "worker_connections": 300})
    master = process_of(serving.pid_file)
    os.kill(master, signal.SIGSTOP)
    try:
        serving.apply()
    finally:
        os.kill(master, signal.SIGCONT)
    deployment = serving.deployment("reverse_proxy")
    assert (deployment.outcome, deployment.generation) == (Outcome.ROLLED_BACK, 1)
    assert deployment.problem.cause == (
        "The service doesn't run the new configuration, says confirm: error: nginx runs entry 1 instead of 2."
    )
    assert (serving.layout.service("nginx").state / "refused").readlink().name == "2"
