"""A change of the account key at two CAs of which one is down: what is kept, what is said, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.appliances.certified import Certified
from support.cas.misbehaving import Misbehaving
from support.cas.stub_server import Reply
from support.toml import table

TRUST = "/etc/chainwright/second-root.pem"
CAUSE = '127.0.0.1 has a failure of its own: it answers with HTTP status 503 instead of what ACME says: "down for maintenance".'
AGAIN = "chainwright acme rekey --ca acme"
BEHIND = (
    "127.0.0.1: A change of the account key is not finished at 127.0.0.1.\n"
    f"    Finish it, and go on with the orders: {AGAIN}\n"
)
CHANGED = "The account is known by a new key."


@pytest.fixture
def made(misbehaving: Misbehaving, pebble_with) -> Iterator[Callable[..., Certified]]:
    """Give an appliance with an account at each of two CAs; the first can be put out of reach."""
    second = pebble_with(always_valid=True)
    opened = ExitStack()

    def make(**key: str) -> Certified:
        acme = {"directory": misbehaving.directory_url, **key}
        entered = opened.enter_context(Certified.make(ca=misbehaving.ca, acme=acme))
        misbehaving.clock = entered.clock
        entered.configure()
        entered.layout.rooted(TRUST).write_bytes(second.trust_file.read_bytes())
        entered.layout.conf_d.mkdir(exist_ok=True)
        found = {"name": "second", "directory": second.directory_url, "names": "any", "trust": TRUST, **key}
        text = table("acme", found).replace("[acme]", "[[acme]]")
        (entered.layout.conf_d / "second.toml").write_text(text)
        for name in ("acme", "second"):
            assert entered.terminal.run("acme", "account", "--register", "--ca", name).returncode == 0
        return entered

    with opened:
        yield make


def present(appliance: Certified) -> dict[str, str]:
    with appliance.store() as store:
        return {each.source: each.thumbprint for each in store.account_keys.all() if each.role == "present"}


def test_one_that_shares_the_key_follows_when_the_command_is_run_again(made, misbehaving: Misbehaving):
    appliance = made()
    before = present(appliance)
    misbehaving.answers("/dir", Reply(503, body=b"down for maintenance"))
    changed = appliance.terminal.run("acme", "rekey")
    assert changed.returncode == 3
    assert changed.stderr.splitlines()[:2] == [f"second: {CHANGED}", f"acme: {CAUSE} Finish it then: {AGAIN}"]
    after = present(appliance)
    assert after != before
    assert BEHIND in appliance.terminal.run("status").stdout

    again = appliance.terminal.run("acme", "rekey")
    assert again.returncode == 1
    fix = f"The change is not tried again by itself. Once the CA answers: {AGAIN}"
    assert again.stderr == f"Error: acme: {CAUSE}\n{fix}\n"

    misbehaving.heals()
    appliance.terminal.run("apply")
    assert BEHIND in appliance.terminal.run("status").stdout
    finished = appliance.terminal.run("acme", "rekey")
    assert finished.stderr.splitlines()[0] == f"acme: {CHANGED}"
    assert f"second: {CHANGED}" not in finished.stderr
    assert present(appliance) == after
    assert BEHIND not in appliance.terminal.run("status").stdout


def test_one_with_a_key_of_its_own_keeps_it_until_the_command_is_run_again(made, misbehaving: Misbehaving):
    appliance = made(account_key="own")
    before = present(appliance)
    misbehaving.answers("/dir", Reply(503, body=b"down for maintenance"))
    assert appliance.terminal.run("acme", "rekey", "--ca", "acme").returncode == 1
    assert present(appliance) == before
    assert appliance.terminal.run("acme", "rekey", "--ca", "second").returncode == 0
    assert present(appliance)["acme"] == before["acme"]
    assert present(appliance)["second"] != before["second"]

    misbehaving.heals()
    assert appliance.terminal.run("acme", "rekey", "--ca", "acme").returncode == 0
    assert present(appliance)["acme"] != before["acme"]
