"""A charon that is the administrator's: the agent's connections stand beside those of swanctl.conf, also after a restart."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from agent.model.events import EventKind
from plugins.ikev2.vici_socket import plain
from support.appliances.idle import START
from support.appliances.ikev2 import CARDS, ROAD, IKEv2Appliance
from support.processes.daemon import Agent
from support.servers.charon import SWANCTL, Charon
from support.waiting import until

pytestmark = pytest.mark.root

THEIRS = {"theirs": {"local": {"auth": "psk"}, "remote": {"auth": "psk"}, "children": {"net": {}}}}
UNIT = "etc/systemd/system/strongswan.service.d/chainwright.conf"


class Included(IKEv2Appliance):
    """Its charon runs before the agent does."""

    charon_of_theirs: Charon

    @property
    def socket(self) -> Path:
        return self.charon_of_theirs.socket

    def listed(self) -> list[dict[str, object]]:
        """Return the connections as charon lists them."""
        with self.charon() as charon:
            return sorted((plain(each) for each in charon.list_conns()), key=str)


@pytest.fixture
def included() -> Iterator[Included]:
    with Charon.running() as charon, Included.make(port=charon.port) as appliance:
        appliance.charon_of_theirs = charon
        (appliance.root / "run").mkdir(exist_ok=True)
        link = appliance.root / "run/charon.vici"
        link.symlink_to(charon.socket)
        appliance.service = {"main": "include", "manager": "systemd", "start": False}
        charon.configure(connections=THEIRS)
        charon.load()
        appliance.configure(connections=[ROAD, CARDS])
        appliance.apply()
        appliance.assert_live()
        yield appliance


def commands_of(unit: Path, key: str) -> list[list[str]]:
    """Return the commands that a unit has systemd run."""
    lines = [line.partition("=")[2] for line in unit.read_text().splitlines() if line.startswith(f"{key}=")]
    return [line.removeprefix("-").split() for line in lines]


def test_connections_of_both_are_served(included):
    assert included.loaded()["connections"] == ["cards", "road", "theirs"]
    assert included.leaves_with_keys() == set(included.chains().values())


def test_a_reload_by_swanctl_takes_ours_away_and_the_unit_loads_them_again(included):
    included.charon_of_theirs.ctl("--load-all", "--noprompt")
    assert included.loaded()["connections"] == ["theirs"]
    for argv in commands_of(included.root / UNIT, "ExecReload"):
        subprocess.run(argv, check=True, timeout=60)
    assert included.loaded()["connections"] == ["cards", "road", "theirs"]
    assert included.leaves_with_keys() == set(included.chains().values())


def test_after_a_start_the_unit_loads_ours_before_the_agent_runs(included):
    included.charon_of_theirs.stop()
    shutil.rmtree(included.layout.run)  # as at boot
    included.charon_of_theirs.start()
    until(included.answers, what="charon is up")
    for argv in commands_of(included.root / UNIT, "ExecStartPost"):
        subprocess.run(argv, check=True, timeout=60)
    assert included.loaded()["connections"] == ["cards", "road"]
    assert included.leaves_with_keys() == set(included.chains().values())


def test_what_a_reload_by_swanctl_took_away_is_found_missing_and_loaded_again(included):
    included.charon_of_theirs.ctl("--load-all", "--noprompt")
    included.clock.advance(minutes=16)
    included.apply()
    included.apply()
    assert included.deployment("ikev2").outcome is Outcome.LIVE
    assert included.loaded()["connections"] == ["cards", "road", "theirs"]


def test_swanctl_itself_can_load_a_generation(included):
    """It is laid out as swanctl wants it, so its own programs show it as well."""
    generation = included.live("ikev2")
    shutil.copytree(generation, included.root / "swanctl")
    (included.root / "swanctl/swanctl.conf").write_text("include conf.d/*.conf\n")
    environment = {**os.environ, "SWANCTL_DIR": str(included.root / "swanctl")}
    environment["STRONGSWAN_CONF"] = str(included.charon_of_theirs.directory / "strongswan.conf")
    said = subprocess.run(
        [SWANCTL, "--load-all", "--noprompt"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert said.returncode == 0, said.stderr
    assert "loaded connection 'road'" in said.stdout
    assert included.leaves_with_keys() == set(included.chains().values())


def test_a_module_that_is_gone_leaves_only_what_is_theirs(included):
    included.settings('hostname = "gw"\naddresses = ["127.0.0.1"]\n')
    included.apply()
    assert included.loaded()["connections"] == ["theirs"]
    assert included.leaves_with_keys() == set()
    assert not (included.root / UNIT).exists()
    assert list(included.layout.modules.rglob("*.pem")) == []
    assert included.apply().performed == ()


def test_a_manager_that_needs_no_drop_in_takes_it_away(included):
    included.configure(service={**included.service, "manager": "commands"})
    included.apply()
    assert not (included.root / UNIT).exists()
    assert included.loaded()["connections"] == ["cards", "road", "theirs"]
    included.configure(service={**included.service, "manager": "systemd"})
    included.apply()
    assert (included.root / UNIT).exists()


def by_swanctl(included: Included) -> None:
    included.charon_of_theirs.ctl("--load-all", "--noprompt")


def by_clearing(included: Included) -> None:
    included.charon_of_theirs.ctl("--load-creds", "--clear", "--noprompt")


def by_vici(command: str, argument: str, kind: str) -> Callable[[Included], None]:
    """Return what takes the first thing of a kind away, as any program may."""

    def unload(included: Included) -> None:
        name = next(each for each in included.loaded()[kind] if each not in THEIRS)
        with included.charon() as charon:
            getattr(charon, command)({argument: name})

    return unload


def by_another(included: Included) -> None:
    """Load another connection of the same name."""
    with included.charon() as charon:
        charon.load_conn({"road": THEIRS["theirs"]})


RECONFIGURED = {
    "swanctl --load-all": by_swanctl,
    "swanctl --load-creds --clear": by_clearing,
    "a connection": by_vici("unload_conn", "name", "connections"),
    "a pool": by_vici("unload_pool", "name", "pools"),
    "a secret": by_vici("unload_shared", "id", "secrets"),
    "a key": by_vici("unload_key", "id", "keys"),
    "another connection": by_another,
}


def test_what_somebody_else_has_reconfigured_is_loaded_again_by_the_next_pass(included):
    before = included.loaded(), included.listed()
    for what, change in RECONFIGURED.items():
        change(included)
        assert (included.loaded(), included.listed()) != before, what
        included.engine().run_pass(wait=0)
        assert (included.loaded(), included.listed()) == before, what
        assert included.leaves_with_keys() == set(included.chains().values()), what
    texts = [each.text for each in included.events if each.kind is EventKind.DRIFT]
    assert len(texts) == len(RECONFIGURED)
    assert texts[2] == "strongswan: the connection cards is not loaded; it is loaded again"
    assert texts[-1] == "strongswan: somebody has loaded another connection road; it is loaded again"


def test_what_is_as_it_was_loaded_is_left_alone(included):
    included.runner.ran.clear()
    included.engine().run_pass(wait=0)
    assert included.runner.count("ikev2.observe") == 1
    assert included.runner.count("ikev2.load ") == 0


def test_the_daemon_loads_it_again_within_its_interval(included):
    text = included.layout.settings.read_text()
    included.layout.settings.write_text(text.replace("[probe]\n", "[probe]\nobserve_seconds = 5\n"))
    before = included.loaded()
    with Agent(included.layout) as agent:
        agent.passes(START)
        by_swanctl(included)
        assert included.loaded() != before
        until(lambda: included.loaded() == before, seconds=40, what="it is loaded again")
        agent.passes("strongswan tells something else of itself")
