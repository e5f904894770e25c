"""``chainwright acme`` where the settings name several CAs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.model.known_cas import KNOWN_DIRECTORIES
from agent.sources.acme.messages import Account, account_json
from agent.sources.acme.values import account_entry
from agent.store import Store
from agent.system.layout import Layout
from support.clients.terminal import Terminal

SETTINGS = """
    [[acme]]
    directory = "http://127.0.0.1:9/directory"
    [[acme]]
    name = "second"
    directory = "http://127.0.0.1:9/second"
    account_key = "own"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    layout = Layout(tmp_path)
    layout.settings.parent.mkdir(parents=True)
    layout.settings.write_text(SETTINGS)
    Store.open(layout).close()
    return tmp_path


def run(root: Path, *argv: str) -> tuple[int, str]:
    done = Terminal(root).run("acme", *argv)
    return done.returncode, done.stdout + done.stderr


def test_each_is_shown_with_its_name_and_its_own_key(root: Path):
    code, text = run(root, "account")
    assert code == 0, text
    first, second = text.split("\n\n")
    assert first.splitlines()[0] == "acme: 127.0.0.1"
    assert second.splitlines()[0] == "second: 127.0.0.1"
    assert "http://127.0.0.1:9/directory" in first
    assert "http://127.0.0.1:9/second" in second
    alone = Terminal(root).json("acme", "account", "--ca", "second")
    rows = Terminal(root).json("acme", "account")["cas"]
    assert alone == {**alone, **rows[1]}
    assert [each["ca"] for each in rows] == ["acme", "second"]
    assert rows[0]["thumbprint"] != rows[1]["thumbprint"]


def test_limits_are_those_of_each(root: Path):
    code, text = run(root, "limits", "www.example.com")
    assert (code, text.count("LIMIT")) == (0, 2)


def test_what_is_done_at_one_says_which(root: Path):
    for argv in (["deactivate", "--yes"], ["rekey"]):
        code, text = run(root, *argv)
        assert code == 2
        assert "This is done at one CA, and the settings name several: acme, second." in text
        assert "Say which one, for example: --ca acme" in text


def test_an_unknown_one_is_told(root: Path):
    code, text = run(root, "account", "--ca", "secnd")
    assert code == 2
    assert 'There is no CA "secnd" in the settings. Did you mean "second"?' in text
    assert "CAs: acme, second" in text


def test_the_settings_are_checked_for_what_the_first_order_of_each_needs(root: Path):
    layout = Layout(root)
    layout.settings.write_text(
        '[[acme]]\ntrust = "/etc/chainwright/none.pem"\n[[acme]]\nname = "other"\ndirectory = "zerossl"\n'
    )
    done = Terminal(root).run("config", "check", "--json")
    assert done.returncode == 3
    trust, missing = json.loads(done.stdout)["problems"]
    assert (trust["code"], trust["where"]) == ("source.trust_file", "acme")
    assert (missing["code"], missing["where"]) == ("source.external_account_missing", "other")
    assert missing["cause"] == "ZeroSSL gives accounts to its own customers only, and the settings name none."
    where = '[acme.external_account] of [[acme]] name = "other"'
    assert missing["fix"] == f"Get a key identifier and a MAC key there, and put them into {where}."

    layout.settings.write_text('[acme]\ndirectory = "zerossl"\n')
    url = KNOWN_DIRECTORIES["zerossl"]
    with Store.open(layout) as store, store.write():
        store.memories.write("acme", account_entry(url), account_json(Account(url, f"{url}/7", "t")))
    assert Terminal(root).run("config", "check").returncode == 0, "there is an account"
