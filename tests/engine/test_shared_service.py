"""Two modules in one service: one test, one reload, and one's fault is not the other's."""

from dataclasses import replace

import pytest

from agent.errors.deploy import PUT_BACK, PUT_BACK_AND_SEEN, TAKEN_OUT
from agent.model.deployment import Outcome, RefusedKind
from support.appliances.deployed import Deployed, served
from support.paths import DYING
from support.ports import free_port
from support.processes import prepared

FRONT = ("a.example.test", "b.example.test", "c.example.test")
SIDE = ("x.example.test", "y.example.test")


def write_settings(appliance: Deployed, *, front=FRONT, side=SIDE, odd=()) -> None:
    names = ", ".join(f'"{name}"' for name in front)
    others = ", ".join(f'"{name}"' for name in side)
    strange = ", ".join(f'"{name}"' for name in odd)
    text = f'hostname = "gw"\nplugins.shared.enabled = true\n[probe]\ntimeout = 3\n[services.toyd]\nport = {appliance.port}\n'
    text += f"[modules.front]\nport = {appliance.port}\nsites = [{names}]\nodd = [{strange}]\n" if front else ""
    text += f"[modules.side]\nport = {appliance.port}\nsites = [{others}]\n" if side else ""
    appliance.settings(text)


@pytest.fixture
def shared(appliance):
    appliance.drop_in("shared")
    appliance.port = free_port()
    write_settings(appliance)
    appliance.apply()
    appliance.start("toyd", appliance.layout.service("toyd").live / "entry.conf")
    appliance.apply()
    assert all(appliance.deployment(name).outcome is Outcome.LIVE for name in ("front", "side"))
    appliance.runner.ran.clear()
    return appliance


def chains(appliance: Deployed) -> dict[str, str]:
    with appliance.store() as store:
        return {binding.slot: binding.chain for binding in store.modules.bindings()}


def wire(appliance: Deployed, *names: str) -> dict[str, str]:
    return {name: served(appliance.port, name) for name in names}


def test_new_chains_for_both_modules_cost_one_test_and_one_reload(shared):
    before = chains(shared)
    shared.clock.advance(days=61)
    shared.apply()
    assert set(before.values()).isdisjoint(chains(shared).values())
    assert wire(shared, *FRONT, *SIDE) == chains(shared)
    assert shared.runner.count("--check") == 1
    assert shared.runner.count("SIGHUP") == 1


def test_a_new_site_of_one_module_leaves_the_other_alone(shared):
    generation = shared.live("side")
    write_settings(shared, front=(*FRONT, "d.example.test"))
    shared.apply()
    assert shared.live("side") == generation
    assert served(shared.port, "d.example.test") == chains(shared)["d.example.test"]


def test_a_site_that_the_service_refuses_keeps_its_last_good_part_and_the_others_go_on(shared):
    write_settings(shared, front=(*FRONT, "d.example.test"), odd=("b.example.test",))
    shared.apply()
    assert wire(shared, *FRONT, *SIDE, "d.example.test") == chains(shared)
    live = (shared.live("front") / "b.example.test" / "site.conf").read_text()
    assert "odd" not in live
    with shared.store() as store:
        refusals = store.deployments.refusals()
    assert [(each.module, each.slot, each.kind) for each in refusals] == [
        ("front", "b.example.test", RefusedKind.CONFIGURATION)
    ]
    assert "unknown directive 'odd b.example.test'" in refusals[0].problem.cause


def test_its_new_chain_is_served_with_the_last_good_configuration(shared):
    write_settings(shared, odd=("b.example.test",))
    shared.apply()
    shared.clock.advance(days=61)
    shared.apply()
    assert wire(shared, *FRONT, *SIDE) == chains(shared)


def test_a_new_site_that_is_refused_is_left_out_and_taken_in_when_it_is_mended(shared):
    write_settings(shared, front=(*FRONT, "d.example.test"), odd=("d.example.test",))
    shared.apply()
    assert wire(shared, *FRONT, *SIDE) == {name: chain for name, chain in chains(shared).items() if name[0] != "d"}
    assert not (shared.live("front") / "d.example.test").exists()
    write_settings(shared, front=(*FRONT, "d.example.test"))
    shared.apply()
    assert served(shared.port, "d.example.test") == chains(shared)["d.example.test"]


def test_two_culprits_among_many_are_both_found(shared):
    sites = tuple(f"s{number}.example.test" for number in range(12))
    write_settings(shared, front=(*FRONT, *sites), odd=("s3.example.test", "s8.example.test"))
    shared.apply()
    with shared.store() as store:
        refused = {each.slot for each in store.deployments.refusals()}
    assert refused == {"s3.example.test", "s8.example.test"}
    assert all(served(shared.port, name) == chains(shared)[name] for name in sites if name not in refused)


def test_new_chains_go_on_with_the_last_good_entry_while_its_template_is_refused(shared):
    override = shared.layout.templates / "toyd"
    override.mkdir(parents=True)
    (override / "entry.conf.j2").write_text("gibberish\n")
    shared.clock.advance(days=61)
    shared.apply()
    assert wire(shared, *FRONT, *SIDE) == chains(shared)
    with shared.store() as store:
        refusals = store.deployments.refusals()
    assert [(each.module, each.slot, each.problem.code) for each in refusals] == [
        ("front", "", "deploy.check_refused"),
        ("side", "", "deploy.check_refused"),
    ]
    (override / "entry.conf.j2").unlink()
    shared.apply()
    with shared.store() as store:
        assert store.deployments.refusals() == []


def test_a_service_that_refuses_even_what_is_in_service_changes_nothing(shared):
    before = wire(shared, *FRONT, *SIDE)
    program = shared.root / "bin" / "toyd"
    working = program.read_text()
    program.write_text("#!/bin/sh\necho 'error: no entropy' >&2\nexit 1\n")
    shared.clock.advance(days=61)
    shared.apply()
    assert wire(shared, *FRONT, *SIDE) == before
    deployment = shared.deployment("front")
    assert deployment.outcome is Outcome.REFUSED
    assert deployment.problem.code == "deploy.present_refused"
    assert deployment.problem.cause.endswith("refuses even the configuration that is in service: error: no entropy.")
    program.write_text(working)
    shared.apply(retry=True)
    assert wire(shared, *FRONT, *SIDE) == chains(shared)
    with shared.store() as store:
        assert store.deployments.refusals() == []


def test_a_reload_that_lies_takes_both_modules_back(shared):
    before = wire(shared, *FRONT, *SIDE)
    generations = {name: shared.live(name) for name in ("front", "side")}
    shared.control("toyd").write_text("ignore")
    shared.clock.advance(days=61)
    shared.apply()
    assert wire(shared, *FRONT, *SIDE) == before
    assert {name: shared.live(name) for name in ("front", "side")} == generations
    assert all(shared.deployment(name).outcome is Outcome.ROLLED_BACK for name in ("front", "side"))
    assert shared.deployment("front").problem.effect.startswith(PUT_BACK_AND_SEEN)


def test_after_going_back_only_what_was_seen_is_said_to_be_served(shared):
    shared.control("toyd").write_text("ignore")
    shared.clock.advance(days=61)
    engine = shared.engine()
    told = [lambda event: shared.stop("toyd") if event.detail.get("step") == "going_back" else None]
    engine.bus = replace(engine.bus, listeners=told)
    engine.apply(wait=0)
    assert shared.deployment("front").problem.effect.startswith(PUT_BACK)


def test_what_was_never_in_service_is_said_to_be_taken_out(shared):
    write_settings(shared, side=())
    shared.apply()
    shared.control("toyd").write_text("ignore")
    write_settings(shared)
    shared.apply()
    assert shared.deployment("side").outcome is Outcome.ROLLED_BACK
    assert shared.deployment("side").problem.effect.startswith(TAKEN_OUT)


def test_a_module_that_is_gone_leaves_the_entry_before_its_files_are_removed(shared):
    write_settings(shared, side=())
    shared.apply()
    entry = (shared.layout.service("toyd").live / "entry.conf").read_text()
    assert "/side/" not in entry
    assert not list(shared.layout.module("side").state.glob("*"))
    assert wire(shared, *FRONT) == chains(shared)


def test_a_module_whose_plugin_breaks_stays_in_service(shared):
    before = wire(shared, *FRONT, *SIDE)
    source = shared.layout.plugins / "side.py"
    source.write_text("raise RuntimeError('half an update')\n")
    shared.settings(shared.layout.settings.read_text().replace("[modules.side]", '[modules.side]\nplugin = "side"'))
    plugin = shared.layout.plugins / "shared.py"
    plugin.write_text(plugin.read_text().replace("return [Front, Side]", "return [Front]"))
    shared.clock.advance(days=61)
    shared.apply()
    now = wire(shared, *FRONT, *SIDE)
    assert {name: now[name] for name in SIDE} == {name: before[name] for name in SIDE}
    assert {name: now[name] for name in FRONT} == {name: chains(shared)[name] for name in FRONT}


def test_a_connection_that_is_held_open_survives_the_switch(shared):
    import socket
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", shared.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=FRONT[0]) as stream,
    ):
        stream.sendall(b"before\n")
        assert stream.recv(100) == b"before\n"
        shared.clock.advance(days=61)
        shared.apply()
        stream.sendall(b"after\n")
        assert stream.recv(100) == b"after\n"


def test_a_power_cut_between_any_two_renames_leaves_matching_pairs_and_converges(shared):
    """The links of both modules and of the entry are renamed one after the other, beside what the agent keeps for itself."""
    deaths = 0
    for number in range(1, 20):
        before = chains(shared)
        shared.clock.advance(days=61)
        if not dies(shared, f"rename:{number}"):
            break
        deaths += 1
        shared.stop("toyd")
        shared.start("toyd", shared.layout.service("toyd").live / "entry.conf")
        seen = wire(shared, *FRONT, *SIDE)
        assert all(seen[name] in {before[name], chains(shared)[name]} for name in seen)
        shared.apply()
        assert wire(shared, *FRONT, *SIDE) == chains(shared)
    assert deaths >= 3


def dies(appliance: Deployed, where: str) -> bool:
    argv = [DYING, appliance.root, where, str(appliance.clock.offset.total_seconds())]
    return prepared.run(argv).returncode == 9
