"""Plugins that were written for version 1 of the contract work as they are, see ``version_1/README.md``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.model.deployment import Outcome
from agent.pki.key import KeyType
from support.appliances.deployed import Deployed, served
from support.clients.terminal import Terminal
from support.paths import TESTS
from support.ports import free_port

PLUGINS = TESTS / "registry" / "version_1"
MODULES = ("v1_module", "v1_sites")
NAMES = tuple(sorted(path.stem for path in PLUGINS.glob("*.py")))


@pytest.fixture(scope="module")
def appliance() -> Iterator[Deployed]:
    with Deployed.make() as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", made.path)
        shutil.copytree(PLUGINS, made.layout.plugins, dirs_exist_ok=True)
        one, other = free_port(), free_port()
        made.settings(
            'hostname = "gw"\nsources = ["v1_source", "local"]\n[probe]\ntimeout = 3\n'
            f'[modules.v1_module]\nport = {one}\ndomain = "a.example.test"\n'
            f'[modules.v1_sites]\nplugin = "v1_sites"\nport = {other}\nsites = ["b.example.test"]\n'
            f"[services.v1_daemon]\nport = {other}\n"
            '[source.v1_source]\nonly = "a.example.test"\n'
            f'[dns.v1_solver]\nfile = "{made.root}/zone"\n'
            f'[plugins.v1_observer]\nfile = "{made.root}/diary"\n'
            "[plugins.v1_policy]\n[plugins.v1_command]\n[plugins.v1_service]\n"
            f'[notify.v1_notifier]\nfile = "{made.root}/letters"\n'
        )
        made.ports = {"a.example.test": one, "b.example.test": other}
        made.apply()
        made.start("v1_module", made.layout.module("v1_module").live / "v1_toyd.conf")
        made.start("v1_daemon", made.layout.service("v1_daemon").live / "v1_entry.conf")
        made.apply()
        yield made


def test_each_kind_of_plugin_is_there_and_on(appliance: Deployed):
    found = {each["name"]: each for each in Terminal(appliance.root).json("plugins")["plugins"]}
    ours = {name: found[name] for name in NAMES}
    assert {name: (each["state"], each["problems"], each["notices"]) for name, each in ours.items()} == {
        name: ("on", [], []) for name in NAMES
    }
    assert sorted(text for each in ours.values() for text in each["contributions"]) == [
        "DNS solver v1_solver",
        "module v1_module",
        "module v1_sites",
        "notifier v1_notifier",
        "service v1_daemon",
        "settings",
        "source v1_source",
    ]


def test_modules_and_a_shared_service_are_served(appliance: Deployed):
    for name in MODULES:
        assert appliance.deployment(name).outcome is Outcome.LIVE, appliance.deployment(name).problem
    for name, port in appliance.ports.items():
        assert served(port, name) in {chain for module in MODULES for chain in appliance.chains(module).values()}
    assert (appliance.live("v1_module") / "prepared").exists()


def test_the_source_delivers_what_it_offers_and_the_policy_says_of_which_key(appliance: Deployed):
    bound = {chain for module in MODULES for chain in appliance.chains(module).values()}
    with appliance.store() as store:
        facts = {each.names[0]: (each.source, each.key_type) for each in store.chains.records() if each.id in bound}
    assert facts == {
        "a.example.test": ("v1_source", KeyType.ECDSA_P256),
        "b.example.test": ("local", KeyType.RSA_2048),
    }


def test_the_command_answers(appliance: Deployed):
    count = Terminal(appliance.root).json("v1_command", "count")["chains"]
    assert count >= len(MODULES)
    assert Terminal(appliance.root).run("v1_command", "count").stdout == f"{count} chains\n"


def test_the_solver_publishes_and_takes_back(appliance: Deployed):
    from agent.config.loading import load
    from agent.sources import BUILT_IN

    settings, _ = load(appliance.layout, BUILT_IN)
    solver, zone = settings.dns_solvers["v1_solver"].solver, Path(f"{appliance.root}/zone")
    solver.present("_acme-challenge.a.example.test", "x")
    solver.present("_acme-challenge.a.example.test", "y")
    solver.clean_up("_acme-challenge.a.example.test", "x")
    assert zone.read_text().splitlines() == ["_acme-challenge.a.example.test TXT y"]
