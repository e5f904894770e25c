"""`chainwright plugins show`: one plugin in all detail, also where it is off or broken."""

from __future__ import annotations

import re

import pytest

from support.clients.terminal import Terminal

PLUGIN = '''"""A CA, a rule and a command."""

from datetime import datetime, timedelta

import click

from chainwright import Due, Offer, Secret, Source, hookimpl

api = 1


class Vault(Source):
    """A vault."""

    name = "vault"
    address: str
    """Where it
    listens."""
    token: Secret = Secret("changeme")
    days: int = 30
    mount: str | None = None

    def offers(self, request, state):
        return Offer(serves=True)

    def due(self, request, state, now):
        return Due(now + timedelta(days=1), "it is time")

    def obtain(self, request, context):
        raise NotImplementedError

    def _own(self):
        return None


@hookimpl
def register_sources():
    return [Vault]


@hookimpl(wrapper=True)
def declare_needs(host):
    return (yield)


@hookimpl
def register_commands(commands, appliance):
    @commands.command("seal")
    def seal():
        click.echo("sealed")
'''


@pytest.fixture
def terminal(appliance) -> Terminal:
    appliance.settings("")
    (appliance.layout.plugins / "vault.py").write_text(PLUGIN)
    return Terminal(appliance.root)


def test_all_of_it_is_shown(terminal, appliance):
    file = str(appliance.layout.plugins / "vault.py")
    done = terminal.run("plugins", "show", "vault")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace(file, "FILE").splitlines() == [
        "vault   off",
        "from    FILE",
        "api     1.0",
        "offers  source vault",
        "[source.vault]",
        "  address  str         required    Where it listens.",
        '  token    Secret      "********"',
        "  days     int         30",
        "  mount    str | None  not set",
        "hooks",
        "  declare_needs      wraps   FILE:41",
        "  register_commands          FILE:46",
        "  register_sources           FILE:36",
        "  offers             Vault   FILE:23",
        "  due                Vault   FILE:26",
        "  obtain             Vault   FILE:29",
        "commands",
        "  chainwright vault seal",
    ]


def test_the_same_is_told_as_data(terminal, appliance):
    file = appliance.layout.plugins / "vault.py"
    shown = terminal.json("plugins", "show", "vault")["plugin"]
    assert (shown["origin"], shown["file"], shown["api"]) == (str(file), str(file), "1.0")
    assert (shown["state"], shown["enabled"], shown["offers"]) == ("off", False, ["source vault"])
    assert shown["tables"][0]["settings"][0] == {
        "name": "address",
        "type": "str",
        "default": None,
        "description": "Where it listens.",
    }
    assert shown["hooks"][0] == {"hook": "declare_needs", "owner": "", "wraps": True, "place": f"{file}:41"}
    assert shown["commands"] == ["seal"]
    assert shown["problems"] == []


def test_templates_and_modules_are_shown_of_a_built_in_one(terminal):
    shown = terminal.json("plugins", "show", "reverse_proxy")["plugin"]
    assert re.match(r"chainwright [0-9.]+$", shown["origin"])
    assert "reverse_proxy/site.conf.j2" in shown["templates"]
    (table,) = shown["tables"]
    assert table["table"] == "[modules.reverse_proxy]"
    assert "listen" in {each["name"] for each in table["settings"]}
    assert "pin" not in {each["name"] for each in table["settings"]}, "every module has it"
    own = {each["hook"] for each in shown["hooks"] if each["owner"] == "ReverseProxy"}
    assert any("needs" in each for each in own)


def test_all_that_is_wrong_is_told_of_one_that_is_enabled_and_broken(terminal, appliance):
    (appliance.layout.plugins / "vault.py").write_text("import nothing_at_all\n")
    appliance.settings('sources = ["local"]\n[source.vault]\n')
    done = terminal.run("plugins", "show", "vault")
    assert done.returncode == 3
    assert "Its import failed: ModuleNotFoundError: No module named 'nothing_at_all'." in done.stdout
    assert "Install what it lacks, or update it, then: chainwright plugins" in done.stdout
    assert f"{appliance.layout.plugins / 'vault.py'}:1" in done.stdout or ", line 1" in done.stdout


def test_one_that_is_not_installed_is_asked_back(terminal):
    done = terminal.run("plugins", "show", "vualt")
    assert (done.returncode, done.stderr) == (
        2,
        'Error: There is no plugin "vualt". Did you mean "vault"?\nSee all: chainwright plugins\n',
    )
