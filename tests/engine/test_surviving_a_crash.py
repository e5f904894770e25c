"""A process that dies at any step of deploying leaves a matching pair in service, and the next run goes on."""

import shutil

import pytest

from agent.errors.settings import SettingsRefused
from agent.model.deployment import Outcome, Step
from support.appliances.deployed import Deployed, served

RENEWAL = 61 * 86400.0
BACK = {Step.GOING_BACK}


def bound(appliance: Deployed) -> str:
    with appliance.store() as store:
        return store.modules.bindings()[0].chain


def assert_converged(appliance: Deployed) -> None:
    appliance.apply()
    assert appliance.deployment("tunnel").outcome is Outcome.LIVE
    assert served(appliance.port, "t.example.test") == bound(appliance)
    with appliance.store() as store:
        assert store.deployments.transactions() == []
        live = store.deployments.generation("module:tunnel", appliance.deployment("tunnel").generation)
    assert appliance.live("tunnel").name == str(live.number)
    assert live.chains == {"default": bound(appliance)}
    assert appliance.apply().performed == ()


@pytest.mark.parametrize("step", [step for step in Step if step not in BACK])
def test_at_every_step_a_matching_pair_is_in_service_and_the_next_run_converges(tunnel, step):
    before = bound(tunnel)
    tunnel.clock.advance(seconds=RENEWAL)
    tunnel.dies_at(step)
    assert served(tunnel.port, "t.example.test") in {before, bound(tunnel)}
    restart(tunnel)
    assert served(tunnel.port, "t.example.test") in {before, bound(tunnel)}
    assert_converged(tunnel)


@pytest.mark.parametrize("step", [Step.SWITCHING, Step.PROBING])
def test_with_settings_that_are_refused_by_now_it_is_finished_or_undone_all_the_same(tunnel, step):
    before = bound(tunnel)
    tunnel.clock.advance(seconds=RENEWAL)
    tunnel.dies_at(step)
    good = tunnel.layout.settings.read_text()
    tunnel.settings("nonsense = 1\n")
    with pytest.raises(SettingsRefused):
        tunnel.apply()
    with tunnel.store() as store:
        assert store.deployments.transactions() == []
    assert served(tunnel.port, "t.example.test") == bound(tunnel) != before
    tunnel.layout.settings.write_text(good)
    assert_converged(tunnel)


def test_while_it_goes_back_too(tunnel):
    before = bound(tunnel)
    tunnel.control("toyd").write_text("ignore")
    tunnel.clock.advance(seconds=RENEWAL)
    tunnel.dies_at(Step.GOING_BACK)
    restart(tunnel)
    assert served(tunnel.port, "t.example.test") in {before, bound(tunnel)}
    tunnel.control("toyd").unlink()
    tunnel.apply()
    tunnel.clock.advance(minutes=2)
    assert_converged(tunnel)


@pytest.mark.parametrize("step", list(Step))
def test_a_boot_after_a_crash_starts_services_with_what_was_seen_on_the_wire(tunnel, step):
    before = bound(tunnel)
    if step in BACK:
        tunnel.control("toyd").write_text("ignore")
    tunnel.clock.advance(seconds=RENEWAL)
    tunnel.dies_at(step)
    tunnel.stop("toyd")
    tunnel.control("toyd").unlink(missing_ok=True)
    tunnel.engine().boot()
    tunnel.start("toyd", tunnel.layout.module("tunnel").live / "toyd.conf")
    assert served(tunnel.port, "t.example.test") in {before, bound(tunnel)}
    tunnel.clock.advance(minutes=2)
    assert_converged(tunnel)


@pytest.mark.parametrize("kind", ["root_created", "chain_stored", "binding_changed"])
def test_before_the_first_deployment(appliance, kind):
    appliance.drop_in("tunnel")
    appliance.settings('hostname = "gw"\n[modules.tunnel]\ndomain = "t.example.test"\n')
    appliance.dies_at(kind)
    appliance.apply()
    assert appliance.deployment("tunnel").outcome is Outcome.WAITING
    with appliance.store() as store:
        assert len(store.roots.all()) == 1


def restart(appliance: Deployed) -> None:
    """As after a power cut: the daemon reads what is on disk."""
    appliance.stop("toyd")
    appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")


def test_a_boot_makes_files_again_that_are_gone(tunnel):
    """As after a backup of the private directory alone was restored."""
    shutil.rmtree(tunnel.layout.module("tunnel").state)
    tunnel.stop("toyd")
    tunnel.engine().boot()
    tunnel.start("toyd", tunnel.layout.module("tunnel").live / "toyd.conf")
    assert served(tunnel.port, "t.example.test") == bound(tunnel)
    assert_converged(tunnel)
