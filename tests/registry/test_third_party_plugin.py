"""A plugin of under 40 lines from outside of the repository's packages gets all that a built-in module gets."""

import pytest

from agent.model.deployment import Outcome
from support.appliances.deployed import Deployed, served
from support.paths import THIRD_PARTY
from support.ports import free_port

PLUGIN = THIRD_PARTY / "tunnel.py"


@pytest.fixture
def appliance(appliance):
    appliance.drop_in("tunnel")
    appliance.port = free_port()
    appliance.settings(
        f'hostname = "gw"\n[probe]\ntimeout = 3\n[modules.tunnel]\nport = {appliance.port}\ndomain = "t.example.test"\n'
    )
    return appliance


def bring_up(appliance: Deployed) -> str:
    appliance.apply()
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    appliance.apply()
    return bound(appliance)


def bound(appliance: Deployed) -> str:
    with appliance.store() as store:
        return store.modules.bindings()[0].chain


def renew(appliance: Deployed) -> None:
    appliance.clock.advance(days=61)


def test_the_plugin_has_under_40_lines():
    assert len(PLUGIN.read_text().splitlines()) < 40


def test_before_its_service_runs_everything_is_in_place_and_waits(appliance):
    appliance.apply()
    deployment = appliance.deployment("tunnel")
    assert deployment.outcome is Outcome.WAITING
    assert (appliance.live("tunnel") / "tunnel.pem").stat().st_mode & 0o777 == 0o600
    assert "site t.example.test" in (appliance.live("tunnel") / "toyd.conf").read_text()


def test_it_is_served_by_the_next_pass_after_the_service_is_up(appliance):
    chain = bring_up(appliance)
    assert served(appliance.port, "t.example.test") == chain
    assert appliance.deployment("tunnel").outcome is Outcome.LIVE


def test_a_new_chain_is_checked_reloaded_and_seen(appliance):
    first = bring_up(appliance)
    appliance.runner.ran.clear()
    renew(appliance)
    appliance.apply()
    assert first != bound(appliance) == served(appliance.port, "t.example.test")
    assert appliance.runner.count("--check") == 1
    assert appliance.runner.count("SIGHUP") == 1


def test_a_reload_that_lies_is_found_by_the_probe_and_rolled_back(appliance):
    first = bring_up(appliance)
    generation = appliance.live("tunnel")
    appliance.control("toyd").write_text("ignore")
    renew(appliance)
    appliance.apply()
    assert appliance.live("tunnel") == generation
    assert served(appliance.port, "t.example.test") == first
    deployment = appliance.deployment("tunnel")
    assert deployment.outcome is Outcome.ROLLED_BACK
    assert deployment.problem is not None
    assert deployment.problem.code == "deploy.wrong_chain"
    assert "instead of" in deployment.problem.cause


def test_what_was_rolled_back_is_tried_again_with_back_off(appliance):
    bring_up(appliance)
    appliance.control("toyd").write_text("ignore")
    renew(appliance)
    appliance.apply()
    appliance.control("toyd").unlink()
    appliance.runner.ran.clear()
    appliance.apply()
    assert appliance.runner.count("SIGHUP") == 0
    appliance.clock.advance(minutes=2)
    appliance.apply()
    assert bound(appliance) == served(appliance.port, "t.example.test")
    assert appliance.deployment("tunnel").outcome is Outcome.LIVE


def test_an_overridden_template_that_the_service_refuses_changes_nothing(appliance):
    chain = bring_up(appliance)
    generation = appliance.live("tunnel")
    override = appliance.layout.templates / "tunnel"
    override.mkdir(parents=True)
    (override / "toyd.conf.j2").write_text('{% extends "default:toyd.conf.j2" %}\n')
    (override / "toyd.conf.j2").write_text("listen {{ module.port }}\nlisten-to everything\n")
    appliance.apply()
    deployment = appliance.deployment("tunnel")
    assert deployment.outcome is Outcome.REFUSED
    assert "unknown directive 'listen-to everything'" in deployment.problem.cause
    assert appliance.live("tunnel") == generation
    assert served(appliance.port, "t.example.test") == chain


def test_what_was_refused_before_anything_changed_is_tried_again_when_a_person_says_so(appliance):
    bring_up(appliance)
    control = appliance.root / "refuse"
    (appliance.root / "bin" / "toyd").write_text(f"#!/bin/sh\ntest ! -e {control} || exit 1\n")
    control.touch()
    renew(appliance)
    appliance.apply()
    first = bound(appliance)
    assert served(appliance.port, "t.example.test") != first
    control.unlink()
    appliance.apply()
    assert served(appliance.port, "t.example.test") != first
    appliance.apply(retry=True)
    assert served(appliance.port, "t.example.test") == first


def test_new_chains_go_on_while_the_configuration_is_refused(appliance):
    first = bring_up(appliance)
    override = appliance.layout.templates / "tunnel"
    override.mkdir(parents=True)
    (override / "toyd.conf.j2").write_text("listen {{ module.port }}\nlisten-to everything\n")
    appliance.apply()
    renew(appliance)
    appliance.apply()
    assert first != bound(appliance) == served(appliance.port, "t.example.test")


@pytest.mark.parametrize("text", ["{% if %}", "{{ module.no_such_setting }}", "{{ nothing }}"])
def test_a_template_that_can_not_be_rendered_changes_nothing_but_lets_new_chains_through(appliance, text):
    bring_up(appliance)
    override = appliance.layout.templates / "tunnel"
    override.mkdir(parents=True)
    (override / "toyd.conf.j2").write_text(text)
    appliance.apply()
    deployment = appliance.deployment("tunnel")
    assert deployment.outcome is Outcome.REFUSED
    assert deployment.problem.code == "deploy.template"
    assert "toyd.conf.j2" in deployment.problem.where
    renew(appliance)
    appliance.apply()
    assert bound(appliance) == served(appliance.port, "t.example.test")


def test_a_damaged_file_is_found_and_repaired_without_a_new_chain(appliance):
    chain = bring_up(appliance)
    (appliance.live("tunnel") / "tunnel.pem").write_bytes(b"rubbish")
    appliance.clock.advance(minutes=16)
    appliance.apply()
    assert bound(appliance) == chain == served(appliance.port, "t.example.test")
    assert any(event.kind == "drift" for event in appliance.events)
    assert b"PRIVATE KEY" in (appliance.live("tunnel") / "tunnel.pem").read_bytes()


def test_a_link_that_somebody_turned_is_found_and_repaired(appliance):
    bring_up(appliance)
    link = appliance.layout.module("tunnel").live
    link.unlink()
    link.symlink_to("/nowhere")
    appliance.clock.advance(minutes=16)
    appliance.apply()
    assert (link / "tunnel.pem").exists()
    assert appliance.deployment("tunnel").outcome is Outcome.LIVE


def test_a_service_that_stops_is_waited_for_and_picked_up(appliance):
    chain = bring_up(appliance)
    appliance.stop("toyd")
    appliance.clock.advance(minutes=16)
    appliance.apply()
    assert [each.stopped for each in appliance.records()] == [True]
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
    appliance.apply()
    assert [each.ok for each in appliance.records()] == [True]
    assert served(appliance.port, "t.example.test") == chain


def test_a_service_that_is_not_installed_is_waited_for(appliance):
    (appliance.root / "bin" / "toyd").unlink()
    appliance.apply()
    deployment = appliance.deployment("tunnel")
    assert deployment.outcome is Outcome.WAITING
    assert deployment.problem.cause == "The service can't be reloaded: toyd is not installed."


@pytest.mark.parametrize("keep", [3, 1])
def test_old_generations_are_removed_but_as_many_as_are_to_be_kept(appliance, keep):
    bring_up(appliance)
    appliance.settings(appliance.layout.settings.read_text() + f"[deploy]\nkeep = {keep}\n")
    for _ in range(5):
        renew(appliance)
        appliance.apply()
    numbers = sorted(int(path.name) for path in appliance.layout.module("tunnel").state.glob("[0-9]*"))
    assert len(numbers) == keep
    assert appliance.live("tunnel").name == str(numbers[-1])


def test_a_second_pass_has_nothing_to_do(appliance):
    bring_up(appliance)
    appliance.runner.ran.clear()
    result = appliance.apply()
    assert result.performed == ()
    assert appliance.runner.ran == []


def test_a_module_that_is_no_longer_configured_leaves_nothing_behind(appliance):
    bring_up(appliance)
    appliance.settings('hostname = "gw"\n')
    appliance.apply()
    assert not list(appliance.layout.module("tunnel").state.glob("*"))
