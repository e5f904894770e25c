"""Code of plugins that fails while the settings are read: it costs what the table is about, and nothing else."""

from pathlib import Path

import pytest

from agent.config.loading import load
from agent.config.settings import Settings
from agent.errors.settings import SettingsRefused
from agent.registry.discovery import candidates, culprits_of
from agent.registry.guard import Guard
from support.appliances.toy import BUILT_IN, STUNNEL, ToyAppliance

FAILING = """
    import sys, time
    from datetime import datetime, timedelta
    from pydantic import field_validator
    from chainwright import (
        Command, Due, Endpoint, Module, Notifier, Offer, PluginSettings, Service, Source, hookimpl
    )

    def fail(how):
        if how == "raise":
            return 1 // 0
        if how == "exit":
            sys.exit(3)
        if how == "hang":
            time.sleep(600)
        return how

    class Tunneld(Service):
        name = "tunneld"
        how: str = ""
        pairs: str = ""

        @field_validator("how")
        @classmethod
        def _how(cls, how):
            return fail(how)

        def contradictions(self, modules):
            fail(self.pairs)
            return [("tunnel", "it is odd")] if self.pairs == "odd" else [3] if self.pairs == "wrong" else []

        def reload_command(self, context):
            return Command(("true",))

    class Tunnel(Module):
        '''Tunnels.'''
        name = "tunnel"
        services = ("tunneld",)
        how: str = ""

        @field_validator("how")
        @classmethod
        def _how(cls, how):
            return fail(how)

        def declare_needs(self, host):
            return [self.need("a.test")]

        def probes(self, context):
            return [Endpoint(port=1)]

    class Vault(Source):
        name = "vault"
        how: str = ""

        @field_validator("how")
        @classmethod
        def _how(cls, how):
            return fail(how)

        def offers(self, request, state):
            return Offer(serves=True)

        def due(self, request, state, now):
            return Due(now, "always")

        def obtain(self, request, context):
            raise NotImplementedError

    class Mine(PluginSettings):
        how: str = ""

        @field_validator("how")
        @classmethod
        def _how(cls, how):
            return fail(how)

    @hookimpl
    def register_modules():
        return [Tunnel]

    @hookimpl
    def register_services():
        return [Tunneld]

    @hookimpl
    def register_sources():
        return [Vault]

    @hookimpl
    def register_settings():
        return Mine
"""
EFFECTS = {
    "source.vault": "It is passed over: the next source of the ladder serves.",
    "services.tunneld": "The modules that share it stay as they are, the others go on.",
    "plugins.failing": "The plugin is disabled, everything else goes on.",
}


@pytest.fixture
def appliance(tmp_path: Path) -> ToyAppliance:
    made = ToyAppliance(tmp_path)
    made.drop_in("failing", FAILING)
    made.drop_in("stunnel", STUNNEL)
    return made


def loaded(appliance: ToyAppliance, text: str) -> Settings:
    appliance.settings(f"plugins.failing.enabled = true\n[modules.stunnel]\n{text}")
    guard = Guard(culprits_of(candidates(appliance.layout)), patience=0.1, most=0.2, say=lambda _text: None)
    return load(appliance.layout, BUILT_IN, guard=guard)[0]


def told(appliance: ToyAppliance, error: object) -> str:
    return str(error).replace(f"{appliance.layout.plugins}/", "")


@pytest.mark.parametrize("table", ["source.vault", "services.tunneld"])
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raise", "ZeroDivisionError: integer division or modulo by zero"),
        ("exit", "it wanted to end the process (SystemExit)"),
    ],
)
def test_a_validator_that_fails_costs_its_table(appliance: ToyAppliance, table: str, how: str, reason: str):
    found = loaded(appliance, f'[modules.tunnel]\n[{table}]\nhow = "{how}"')
    lines = {"raise": 11, "exit": 13}
    assert told(appliance, found.failures[table]) == (
        f"[{table}] (failing.py:{lines[how]}): The plugin failed in the validation of these settings: {reason}.\n"
        f"{EFFECTS[table]} Correct the settings, or update the plugin; chainwright plugins names its distribution."
    )
    assert "stunnel" in found.modules


@pytest.mark.parametrize("table", ["source.vault", "services.tunneld"])
def test_a_validator_that_hangs_costs_its_table(appliance: ToyAppliance, table: str):
    found = loaded(appliance, f'[{table}]\nhow = "hang"')
    assert told(appliance, found.failures[table]) == (
        f'[{table}] (failing.py:15): The plugin "failing" did not answer the validation of its settings within 0.2 s, '
        f"and is not asked again meanwhile.\n{EFFECTS[table]} Correct or update it; "
        "chainwright plugins names its distribution."
    )
    assert list(found.modules) == ["stunnel"]


def test_a_module_whose_validator_hangs_keeps_its_last_generation(appliance: ToyAppliance):
    found = loaded(appliance, '[modules.tunnel]\nhow = "hang"')
    assert told(appliance, found.entries["tunnel"].error) == (
        '[modules.tunnel] (failing.py:15): The plugin "failing" did not answer the validation of its settings within 0.2 s, '
        "and is not asked again meanwhile.\nIts last generation stays in place, the others go on. "
        "Correct or update it; chainwright plugins names its distribution."
    )
    assert list(found.modules) == ["stunnel"]


def test_modules_of_a_service_that_fails_say_why(appliance: ToyAppliance):
    found = loaded(appliance, '[modules.tunnel]\n[services.tunneld]\nhow = "raise"')
    assert found.entries["tunnel"].error is found.failures["services.tunneld"]
    assert list(found.modules) == ["stunnel"]


@pytest.mark.parametrize(
    ("pairs", "reason", "line"),
    [
        ("raise", "ZeroDivisionError: integer division or modulo by zero", ":11"),
        ("exit", "it wanted to end the process (SystemExit)", ":13"),
        ("wrong", "it holds an object of type int, only tuple may stand there", ":28"),
    ],
)
def test_contradictions_that_fail_cost_the_modules_that_share_the_service(
    appliance: ToyAppliance, pairs: str, reason: str, line: str
):
    found = loaded(appliance, f'[modules.tunnel]\n[services.tunneld]\npairs = "{pairs}"')
    place = f" (failing.py{line})" if line else ""
    assert told(appliance, found.entries["tunnel"].error) == (
        f"service tunneld{place}: The plugin failed in contradictions: {reason}.\n"
        "Its last generation stays in place, the others go on. Correct its settings, or update the plugin; "
        "chainwright plugins names its distribution."
    )
    assert list(found.modules) == ["stunnel"]


def test_a_contradiction_is_one_of_the_settings(appliance: ToyAppliance):
    with pytest.raises(SettingsRefused, match=r"\[modules.tunnel\]: it is odd"):
        loaded(appliance, '[modules.tunnel]\n[services.tunneld]\npairs = "odd"')


def test_the_ladder_goes_on_without_a_source_that_fails(appliance: ToyAppliance):
    appliance.settings('sources = ["vault", "local"]\n', "conf.d/ladder.toml")
    assert list(loaded(appliance, "").rungs) == ["vault", "local"]
    assert list(loaded(appliance, '[source.vault]\nhow = "raise"').rungs) == ["local"]
    appliance.settings('sources = ["vault"]\n', "conf.d/ladder.toml")
    with pytest.raises(SettingsRefused) as raised:
        loaded(appliance, '[source.vault]\nhow = "raise"')
    assert [each.cause for each in raised.value.errors] == [
        (
            "none of these can be used: The plugin failed in the validation of these settings: "
            "ZeroDivisionError: integer division or modulo by zero"
        )
    ]


def test_the_ladder_goes_on_without_a_source_whose_plugin_is_broken(appliance: ToyAppliance):
    appliance.drop_in("lost", "1 / 0")
    appliance.settings('sources = ["lost", "local"]\n', "conf.d/ladder.toml")
    found = loaded(appliance, "")
    assert list(found.rungs) == ["local"]
    assert told(appliance, found.failures["source.lost"]) == (
        '[source.lost]: No working plugin registers the source "lost"; broken: lost.\n'
        "It is passed over: the next source of the ladder serves. See what is broken: chainwright plugins"
    )


def test_the_settings_of_a_plugin_that_fail_cost_that_plugin(appliance: ToyAppliance):
    appliance.settings('plugins.failing.how = "raise"\n', "conf.d/a.toml")
    found = loaded(appliance, "")
    assert told(appliance, found.failures["plugins.failing"]) == (
        "[plugins.failing] (failing.py:11): The plugin failed in the validation of these settings: "
        "ZeroDivisionError: integer division or modulo by zero.\nThe plugin is disabled, everything else goes on. "
        "Correct the settings, or update the plugin; chainwright plugins names its distribution."
    )


POND = """
    from chainwright import Command, Module, Service, hookimpl

    class Pond(Service):
        name = "pond"

        def contradictions(self, modules):
            for each in modules.values():
                each.deep
            return []

        def reload_command(self, context):
            return Command(("true",))

    class Fish(Module):
        '''Fish.'''
        name = "fish"
        services = ("pond",)
        unprobed = "a test"

        @property
        def deep(self):
            return 1

        def declare_needs(self, host):
            return [self.need("a.test")]

    @hookimpl
    def register_services():
        return [Pond]

    @hookimpl
    def register_modules():
        return [Fish]
"""
FROG = """
    import time
    from chainwright import Module, hookimpl

    class Frog(Module):
        '''Frogs.'''
        name = "frog"
        services = ("pond",)
        unprobed = "a test"

        @property
        def deep(self):
            time.sleep(600)

        def declare_needs(self, host):
            return [self.need("b.test")]

    @hookimpl
    def register_modules():
        return [Frog]
"""


def test_a_module_that_hangs_while_its_service_compares_it_costs_itself_only(appliance: ToyAppliance):
    appliance.drop_in("fish", POND)
    appliance.drop_in("frog", FROG)
    found = loaded(appliance, "[modules.fish]\n[modules.frog]")
    assert sorted(found.modules) == ["fish", "stunnel"]
    assert told(appliance, found.entries["frog"].error) == (
        'frog (frog.py:13): The plugin "frog" did not answer contradictions within 0.2 s, and is not asked again '
        "meanwhile.\nIts last generation stays in place, the others go on. "
        "Correct or update it; chainwright plugins names its distribution."
    )
