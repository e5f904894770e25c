"""The whole agent with a plugin that opens a firewall as long as a CA looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from textwrap import dedent

import pytest

from agent.errors.problem import rfc3339
from agent.model.events import EventKind
from agent.registry import window_askers
from agent.sources.acme.steps import OrderStep
from support.appliances.certified import Certified
from support.appliances.proxied import SITES

SITE = SITES[0]
KILLED = 9
PROGRAM = '#!/bin/sh\necho "$@" >> {0}/calls\n[ ! -e {0}/fail-$1 ] || {{ echo no way >&2; exit 3; }}\n'
PLUGIN = """
    from chainwright import Command, PluginSettings, hookimpl

    api = 1


    class Firewall(PluginSettings):
        program: str

        @hookimpl
        def challenge_window(self, window):
            {answer}


    @hookimpl
    def register_settings():
        return Firewall
"""
COMMAND = 'return Command((self.program, window.action, window.id, ",".join(map(str, window.ports)), *window.names))'


class Walled(Certified):
    """One site, and a plugin that is enabled by its settings."""

    def tables(self) -> str:
        return f'{super().tables()}\n[plugins.firewall]\nprogram = "{self.root}/fwctl"\n'

    def plugin(self, answer: str) -> None:
        """Install it, and what it has run."""
        program = self.root / "fwctl"
        program.write_text(PROGRAM.format(self.root))
        program.chmod(0o755)
        path = self.layout.plugins / "firewall.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(PLUGIN).format(answer=answer))
        self.configure()

    @property
    def calls(self) -> list[list[str]]:
        """What was run, with its arguments."""
        path = self.root / "calls"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def findings(self) -> list[str]:
        """Return the causes of what the status says of windows."""
        said = json.loads(self.terminal.run("status", "--json").stdout)
        found = [each["problem"] for each in said["findings"]]
        return [each["cause"] for each in found if each["code"] == "status.window_unclosed"]


@pytest.fixture
def appliance(pebble) -> Iterator[Walled]:
    with Walled.make(ca=pebble, acme={"challenges": ["http-01"]}) as made:
        yield made


def test_it_is_opened_and_closed_once(appliance: Walled):
    appliance.plugin(COMMAND)
    appliance.apply()
    appliance.assert_certified(SITE)
    opened, closed = appliance.calls
    assert opened == ["open", opened[1], str(appliance.http_port), SITE]
    assert closed == ["close", *opened[1:]]


def test_what_a_killed_process_left_open_is_closed_though_the_plugin_is_gone(appliance: Walled):
    appliance.plugin(COMMAND)
    assert appliance.die_at(f"order_step:{OrderStep.CHALLENGES}") == KILLED
    assert [each[0] for each in appliance.calls] == ["open"]
    appliance.plugin("return None")
    appliance.apply()
    appliance.assert_certified(SITE)
    opened, closed = appliance.calls
    assert closed == ["close", *opened[1:]]


def test_what_can_not_be_closed_is_in_the_status(appliance: Walled):
    appliance.plugin(COMMAND)
    (appliance.root / "fail-close").touch()
    appliance.apply()
    appliance.assert_certified(SITE)
    (cause,) = appliance.findings()
    assert cause.startswith(
        f"The way for a CA to {SITE} at port {appliance.http_port}, which the plugin firewall opened at "
    )
    assert cause.endswith(", was not closed: no way.")
    (appliance.root / "fail-close").unlink()
    appliance.terminal.run("apply")
    assert appliance.findings() == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('raise LookupError("no zone")', "LookupError: no zone"),
        ('return "open sesame"', "it is an object of type str, not Command or None"),
    ],
    ids=["raises", "returns a text"],
)
def test_a_plugin_that_is_wrong_costs_its_window_and_is_told(appliance: Walled, answer: str, why: str):
    appliance.plugin(answer)
    appliance.apply()
    appliance.assert_certified(SITE)
    said = [each.text for each in appliance.events if each.kind is EventKind.PLUGIN_FAILED]
    assert said
    assert said[0] == f"The plugin firewall could not say how a challenge window is opened and closed: {why}."


@pytest.mark.parametrize("how", ["a person applies", "another pass is made"])
def test_the_second_of_a_pair_says_why_it_waits_and_orders_once_it_holds_the_address(
    appliance: Walled, pebble, how: str
):
    active = appliance.root / "active"
    command = ["/usr/bin/test", "-e", str(active)]
    appliance.plugin(COMMAND)
    appliance.acme |= {"only_if": command}
    appliance.configure()
    pebble.mark()
    appliance.apply()
    (order,) = appliance.orders_failed()
    assert order.retry_at is not None
    cause = "This machine does not ask the CA now, as only_if says: /usr/bin/test: it ended with 1"
    sentence = f"{cause}, next try {rfc3339(order.retry_at)}"
    (row,) = appliance.status()["chains"]
    assert row["problem"] == {
        "code": "source.another_node",
        "cause": f"{cause}.",
        "where": "acme",
        "fix": "Nothing has to be done if another machine holds the addresses; else look what the command says.",
        "effect": "The local chain is served meanwhile: clients must trust the root.",
        "retry_at": rfc3339(order.retry_at),
        "detail": "",
    }
    assert f"{SITE}: {cause}. Next try in 5 minutes.\n" in appliance.terminal.run("status").stdout
    explained = appliance.terminal.run("explain", "reverse_proxy", SITE).stdout
    assert f"\n  2 acme      {sentence}\n" in explained
    assert f"\n  because     local until acme delivers: {sentence}\n" in explained
    assert (order.attempts, pebble.requests(), appliance.calls) == (0, [], [])
    active.touch()
    if how == "a person applies":
        assert appliance.terminal.run("apply").returncode == 0
    else:
        appliance.clock.offset += timedelta(minutes=2)
        appliance.apply()
    appliance.assert_certified(SITE)
    assert [each[0] for each in appliance.calls] == ["open", "close"]


def test_a_plugin_that_hangs_costs_its_window_and_is_told(appliance: Walled, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(window_askers, "SECONDS", 0.5)
    appliance.plugin("__import__('time').sleep(600)")
    appliance.apply()
    appliance.assert_certified(SITE)
    said = {each.text for each in appliance.events if each.kind is EventKind.PLUGIN_FAILED}
    assert said == {
        (
            "The plugin firewall could not say how a challenge window is opened and closed: "
            'The plugin "firewall" did not answer challenge_window within 0.5 s, and is not asked again meanwhile.'
        )
    }
    assert appliance.calls == []
    with appliance.store() as store:
        assert store.windows.all() == []
