"""A CA with an account key of its own: carried to another machine, lost, renamed, and given back to the shared key."""

from __future__ import annotations

import re
import shutil
import stat
from pathlib import Path

import pytest

from agent.store.failures import files_of
from support.appliances.carried import another_machine, backed_up, restored_elsewhere
from support.appliances.certified import Certified
from support.appliances.proxied import SITES

SITE = SITES[0]
TOLD = (
    "127.0.0.1: A change of the account key is not finished at 127.0.0.1.\n"
    "    Finish it, and go on with the orders: chainwright acme rekey\n"
)


@pytest.fixture
def ca(pebble_with):
    return pebble_with(always_valid=True)


@pytest.fixture
def appliance(ca):
    with Certified.make(ca=ca, acme={"account_key": "own"}) as made:
        made.configure()
        made.apply()
        made.assert_certified(SITE)
        yield made


def keys(appliance: Certified) -> dict[str, str]:
    """Return source -> thumbprint of the present account keys."""
    with appliance.store() as store:
        return {each.source: each.thumbprint for each in store.account_keys.all() if each.role == "present"}


def url(appliance: Certified) -> str:
    return appliance.terminal.json("acme", "account")["account"]["url"]


def sealed_files(appliance: Certified) -> list[Path]:
    return sorted(appliance.layout.private.glob("account-*.sealed"))


def made(ca) -> list[str]:
    return ca.requests("/sign-me-up")


def reconfigure(appliance: Certified, old: str, new: str) -> None:
    settings = appliance.layout.settings
    text = settings.read_text()
    assert old in text
    settings.write_text(text.replace(old, new))


def test_it_goes_on_on_another_machine_by_the_same_account(appliance, ca):
    before, account = keys(appliance), url(appliance)
    file = backed_up(appliance)
    appliance.kill()
    with another_machine(Certified, ca=ca) as other:
        said = restored_elsewhere(other.root, file, "--no-apply")
        assert said.returncode == 0, said.stderr
        settings = other.layout.settings
        settings.write_text(re.sub(f":{appliance.port}\\b", f":{other.port}", settings.read_text()))
        ca.mark()
        other.apply()
        other.renew()
        other.apply()
        other.assert_certified(SITE)
        assert made(ca) == []
        assert keys(other) == before
        assert url(other) == account
        assert {stat.S_IMODE(each.stat().st_mode) for each in sealed_files(other)} == {0o600}
        assert [each.name for each in sealed_files(other)] == [each.name for each in sealed_files(appliance)]
        ca.mark()
        assert other.terminal.run("acme", "rekey").returncode == 0
        assert made(ca) == []
        assert keys(other) != before


@pytest.mark.parametrize("copies", [True, False], ids=["with copies", "from files alone"])
def test_a_lost_database_costs_neither_key_nor_account(appliance, ca, copies: bool):
    before, account = keys(appliance), url(appliance)
    assert appliance.layout.database.exists()
    for each in files_of(appliance.layout.database):
        each.unlink(missing_ok=True)
    if not copies:
        shutil.rmtree(appliance.layout.private / "copies")
    said = appliance.terminal.run("repair")
    assert "-----BEGIN" not in said.stdout + said.stderr
    assert keys(appliance) == before
    appliance.terminal.run("reissue", "--force", SITE)
    appliance.assert_certified(SITE)
    assert url(appliance) == account


def test_a_table_with_another_name_keeps_key_and_account(appliance, ca):
    before, account = keys(appliance), url(appliance)
    reconfigure(appliance, "[acme]", '[[acme]]\nname = "renamed"')
    appliance.terminal.run("apply")
    assert keys(appliance) == {"renamed": before["acme"]}
    [file] = sealed_files(appliance)
    assert file.name == f"account-{before['acme']}@renamed.sealed"
    ca.mark()
    appliance.terminal.run("reissue", "--force", SITE)
    appliance.assert_certified(SITE)
    assert appliance.sources() == {SITE: "renamed"}
    assert made(ca) == []
    assert url(appliance) == account


def test_a_table_with_another_name_and_another_ca_gets_a_key_of_its_own(appliance, pebble_with):
    before, another = keys(appliance), pebble_with(always_valid=True)
    reconfigure(appliance, "[acme]", '[[acme]]\nname = "renamed"')
    reconfigure(appliance, appliance.ca.directory_url, another.directory_url)
    appliance.terminal.run("apply")
    found = keys(appliance)
    assert found["acme"] == before["acme"]
    assert found["renamed"] != before["acme"]


def test_a_change_between_own_and_shared_key_is_told_at_once_and_the_command_that_is_named_ends_it(appliance, ca):
    account = url(appliance)
    for old, new in (("own", "shared"), ("shared", "own")):
        reconfigure(appliance, f'account_key = "{old}"', f'account_key = "{new}"')
        ca.mark()
        applied = appliance.terminal.run("apply")
        assert TOLD in applied.stdout + applied.stderr
        assert ca.requests("/order-plz") == []
        assert TOLD in appliance.terminal.run("status").stdout
        changed = appliance.terminal.run("acme", "rekey")
        assert changed.returncode == 0
        assert "The account is known by a new key." in changed.stderr
        assert TOLD not in appliance.terminal.run("status").stdout
        appliance.terminal.run("reissue", "--force", SITE)
        appliance.assert_certified(SITE)
        assert made(ca) == []
        assert url(appliance) == account
