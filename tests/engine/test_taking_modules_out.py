"""Modules that are no longer configured are taken out of what was deployed, without their settings and plugins."""

import re

import pytest

from agent.contract.endpoint import Address
from agent.model.deployment import Outcome, Step
from agent.model.events import EventKind
from agent.probing.listening import who_listens
from support.appliances.deployed import Deployed, served
from support.ports import free_port

FRONT, SIDE = "a.example.test", "x.example.test"
BACK = {Step.GOING_BACK}


def write_settings(
    appliance: Deployed, *modules: str, service: bool = True, plugin: bool = True, port: int = 0
) -> None:
    text = 'hostname = "gw"\n' + ("plugins.shared.enabled = true\n" if plugin else "") + "[probe]\ntimeout = 3\n"
    text += f"[services.toyd]\nport = {port or appliance.port}\n" if service else ""
    for name, site in (("front", FRONT), ("side", SIDE)):
        text += f'[modules.{name}]\nport = {appliance.port}\nsites = ["{site}"]\n' if name in modules else ""
    appliance.settings(text)


@pytest.fixture
def shared(appliance):
    appliance.drop_in("shared")
    appliance.port = free_port()
    write_settings(appliance, "front", "side")
    appliance.apply()
    appliance.start("toyd", appliance.layout.service("toyd").live / "entry.conf")
    appliance.apply()
    assert all(appliance.deployment(name).outcome is Outcome.LIVE for name in ("front", "side"))
    appliance.events.clear()
    appliance.runner.ran.clear()
    return appliance


def told(appliance: Deployed, kind: EventKind) -> list[tuple[str, str]]:
    return [(each.module, each.text) for each in appliance.events if each.kind is kind]


def keys(appliance: Deployed) -> list[str]:
    return [str(path) for path in appliance.layout.modules.rglob("*.pem")]


def assert_all_gone(appliance: Deployed) -> None:
    assert served(appliance.port, FRONT) == served(appliance.port, SIDE) == ""
    assert keys(appliance) == []
    entry = (appliance.layout.service("toyd").live / "entry.conf").read_text()
    assert "modules/" not in entry
    with appliance.store() as store:
        assert store.deployments.all() == {}
        assert store.deployments.transactions() == []
        assert not [each for each in store.deployments.owners() if each.startswith("module:")]
    assert appliance.engine().plan().actions == ()
    assert appliance.apply().performed == ()


def without_tables(appliance: Deployed) -> None:
    """All that is left is the service's table."""
    write_settings(appliance)


def without_service(appliance: Deployed) -> None:
    """Nothing names the plugin any more."""
    write_settings(appliance, service=False, plugin=False)


def without_plugin(appliance: Deployed) -> None:
    """It is uninstalled as well."""
    write_settings(appliance, service=False, plugin=False)
    (appliance.layout.plugins / "shared.py").unlink()


def without_plugin_but_with_the_table(appliance: Deployed) -> None:
    write_settings(appliance, plugin=False)
    (appliance.layout.plugins / "shared.py").unlink()


def disabled(appliance: Deployed) -> None:
    """Both are disabled."""
    write_settings(appliance, "front", "side")
    text = appliance.layout.settings.read_text()
    appliance.settings(
        text.replace("[modules.front]", "[modules.front]\nenabled = false").replace(
            "[modules.side]", "[modules.side]\nenabled = false"
        )
    )


def with_another_port(appliance: Deployed) -> None:
    """The service's table is another one: what was deployed counts."""
    write_settings(appliance, port=1)


WAYS = [without_tables, without_service, without_plugin, without_plugin_but_with_the_table, disabled, with_another_port]


@pytest.mark.parametrize("away", WAYS)
def test_the_last_modules_are_taken_out_whatever_is_left_of_their_settings(shared, away):
    away(shared)
    shared.apply()
    assert_all_gone(shared)
    where = f"127.0.0.1:{shared.port}"
    said = f"taken out of toyd, its keys were removed; no longer served at {where}"
    assert told(shared, EventKind.RETIRED) == [("front", said), ("side", said)]
    assert shared.runner.count("--check") == shared.runner.count("SIGHUP") == 1


def test_one_of_two_is_taken_out_and_the_other_is_looked_at(shared):
    before = served(shared.port, FRONT)
    write_settings(shared, "front")
    shared.apply()
    assert served(shared.port, FRONT) == before
    assert served(shared.port, SIDE) == before, "toyd's default"
    assert not (shared.layout.module("side").state).exists()
    assert shared.deployment("front").outcome is Outcome.LIVE
    assert shared.apply().performed == ()


def test_one_whose_neighbours_plugin_can_not_be_loaded_is_held_with_the_reason_told_once(shared):
    """The neighbour must stay in the entry, and nobody is left who could write it."""
    before = {name: served(shared.port, name) for name in (FRONT, SIDE)}
    (shared.layout.plugins / "shared.py").write_text("1 / 0\n")
    write_settings(shared, "front")
    shared.apply()
    assert {name: served(shared.port, name) for name in (FRONT, SIDE)} == before
    row = shared.deployment("side")
    assert (row.outcome, row.problem.code) == (Outcome.RETIRING, "deploy.not_taken_out")
    assert "\n".join(row.problem.lines()) == (
        'side: It is no longer configured, but can\'t be taken out: No plugin that works registers the service "toyd", so '
        "it can't be told.\nIts files and keys stay in place. Correct what it names, then: chainwright apply"
    )
    assert not [each for each in shared.engine().plan().actions if getattr(each, "module", "") == "side"]
    shared.apply(retry=True)
    assert len(told(shared, EventKind.REFUSED)) == 1
    shared.drop_in("shared")
    shared.apply(retry=True)
    assert not shared.layout.module("side").state.exists()
    assert served(shared.port, FRONT) == before[FRONT]


def test_a_service_that_refuses_to_do_without_is_told_once_and_tried_again_with_back_off(shared):
    before = {name: served(shared.port, name) for name in (FRONT, SIDE)}
    program = shared.root / "bin" / "toyd"
    working = program.read_text()
    program.write_text("#!/bin/sh\necho 'error: no entropy' >&2\nexit 1\n")
    without_service(shared)
    shared.apply()
    assert {name: served(shared.port, name) for name in (FRONT, SIDE)} == before
    for name in ("front", "side"):
        row = shared.deployment(name)
        assert row.outcome is Outcome.RETIRING
        assert row.problem.cause == "It is no longer configured, but can't be taken out: error: no entropy."
        assert row.problem.retry_at == row.retry_at.replace(microsecond=0)
    assert shared.engine().plan().actions == ()
    assert shared.apply().performed == ()
    shared.clock.advance(minutes=2)
    shared.apply()
    assert shared.deployment("side").attempts == 2
    assert len(told(shared, EventKind.REFUSED)) == 2, "each module once"
    program.write_text(working)
    shared.apply(retry=True)
    assert_all_gone(shared)


def test_a_module_that_is_configured_again_while_it_is_held_stays_in_service(shared):
    program = shared.root / "bin" / "toyd"
    working = program.read_text()
    program.write_text("#!/bin/sh\nexit 1\n")
    write_settings(shared, "front")
    shared.apply()
    assert shared.deployment("side").outcome is Outcome.RETIRING
    program.write_text(working)
    write_settings(shared, "front", "side")
    shared.apply()
    assert shared.deployment("side").outcome is Outcome.LIVE
    assert shared.apply().performed == ()


def test_a_service_that_ignores_its_reload_is_said_to_go_on_until_it_was_restarted(shared):
    before = served(shared.port, SIDE)
    shared.control("toyd").write_text("ignore")
    without_service(shared)
    shared.apply()
    assert served(shared.port, SIDE) == before
    assert keys(shared) == []
    row = shared.deployment("side")
    assert (row.outcome, row.generation) == (Outcome.RETIRING, None)
    where = f"127.0.0.1:{shared.port} ({SIDE})"
    by = who_listens(Address(host="127.0.0.1", port=shared.port))
    assert re.fullmatch(r"\S+ \(pid \d+\)", by)
    assert "\n".join(row.problem.lines()) == (
        f"side: It is no longer configured and its keys are removed, but its chain is still served at {where} by {by}.\n"
        "Restart or stop the service; the agent looks again by itself."
    )
    assert told(shared, EventKind.RETIRED)[1] == (
        "side",
        f"taken out of toyd, its keys were removed; still served at {where}",
    )
    assert shared.engine().plan().actions == ()
    shared.stop("toyd")
    shared.clock.advance(minutes=2)
    shared.apply()
    assert_all_gone(shared)


def test_a_daemon_that_nothing_else_reloads_is_said_to_go_on(tunnel):
    port = tunnel.port
    tunnel.settings('hostname = "gw"\n')
    tunnel.apply()
    assert keys(tunnel) == []
    assert tunnel.deployment("tunnel").problem.code == "deploy.still_served"
    tunnel.stop("toyd")
    tunnel.clock.advance(minutes=2)
    tunnel.apply()
    with tunnel.store() as store:
        assert store.deployments.all() == {}
    assert served(port, "t.example.test") == ""


def test_a_service_that_does_not_run_is_no_obstacle(shared):
    shared.stop("toyd")
    without_plugin(shared)
    shared.apply()
    shared.start("toyd", shared.layout.service("toyd").live / "entry.conf")
    assert_all_gone(shared)


def test_a_site_that_moves_to_another_module_is_no_longer_said_to_be_served_by_the_first(shared):
    """Its chain is served by the other one from now on, as it should be."""
    write_settings(shared, "side")
    text = shared.layout.settings.read_text()
    shared.settings(text.replace(f'sites = ["{SIDE}"]', f'sites = ["{SIDE}", "{FRONT}"]'))
    before = served(shared.port, FRONT)
    shared.apply()
    assert served(shared.port, FRONT) == before
    with shared.store() as store:
        assert list(store.deployments.all()) == ["side"]
    assert shared.apply().performed == ()


def test_a_module_that_becomes_another_plugins_leaves_the_service_that_it_was_in(shared):
    shared.drop_in("tunnel")
    before = served(shared.port, SIDE)
    write_settings(shared, "side")
    other = free_port()
    text = f'[modules.front]\nplugin = "tunnel"\ndomain = "t.example.test"\nport = {other}\n'
    shared.settings(shared.layout.settings.read_text() + text)
    shared.apply()
    assert "/front/" not in (shared.layout.service("toyd").live / "entry.conf").read_text()
    assert served(shared.port, FRONT) == served(shared.port, SIDE) == before
    assert (shared.live("front") / "tunnel.pem").exists()
    assert shared.deployment("front").outcome is Outcome.WAITING, "nobody has started its own daemon"


def test_what_an_earlier_version_deployed_is_taken_out_as_well(shared):
    with shared.store() as store, store.write():
        store.database.execute("delete from footprints")
    shared.clock.advance(minutes=16)
    shared.apply()
    without_plugin(shared)
    shared.apply()
    assert_all_gone(shared)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "word", [*(step for step in Step if step not in BACK), "retired", *(f"rename:{n}" for n in (1,))]
)
def test_a_crash_at_any_step_leaves_what_toyd_can_start_with_and_the_next_run_takes_it_out(shared, word):
    before = {name: served(shared.port, name) for name in (FRONT, SIDE)}
    without_plugin(shared)
    shared.dies_at(word)
    assert all(served(shared.port, name) in {"", before[name]} for name in before)
    shared.stop("toyd")
    shared.start("toyd", shared.layout.service("toyd").live / "entry.conf")
    assert all(served(shared.port, name) in {"", before[name]} for name in before)
    shared.apply()
    assert_all_gone(shared)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("step", [step for step in Step if step not in BACK])
def test_a_boot_after_a_crash_does_so_too(shared, step):
    without_plugin(shared)
    shared.dies_at(step)
    shared.stop("toyd")
    shared.engine().boot()
    shared.start("toyd", shared.layout.service("toyd").live / "entry.conf")
    shared.apply()
    assert_all_gone(shared)
