"""The whole agent with two real CAs: what one can't do, the other one does, and the next renewal begins with the first."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from agent.errors.source import Elsewhere
from support.appliances.certified import Certified
from support.appliances.proxied import SITES
from support.cas import certificates as toy_ca
from support.cas.acme2certifier import Acme2Certifier
from support.cas.misbehaving import Misbehaving
from support.cas.pebble import Pebble
from support.cas.stub_server import Reply
from support.toml import table

SITE = SITES[0]
SECOND_TRUST = "/etc/chainwright/second-root.pem"


@dataclass
class TwoCas(Certified):
    """A second CA in a drop-in, which validates nothing."""

    second: Pebble | None = None

    def settings(self, text: str) -> None:
        super().settings(text)
        assert self.second
        assert self.ca
        self.layout.rooted(SECOND_TRUST).write_bytes(self.second.trust_file.read_bytes())
        self.layout.conf_d.mkdir(exist_ok=True)
        found = {
            "name": "second",
            "directory": self.second.directory_url,
            "names": "any",
            "trust": SECOND_TRUST,
            "http_port": self.ca.http_port,
            "resolvers": self.ca.dns.address,
        }
        rows = table("acme", found).replace("[acme]", "[[acme]]")
        (self.layout.conf_d / "second.toml").write_text(textwrap.dedent(rows))

    def roots_of(self, ca: Pebble | Acme2Certifier) -> bool:
        """Whether the site is served with a chain of this CA."""
        before, self.ca = self.ca, ca
        try:
            return self.certified(SITE) != ""
        finally:
            self.ca = before


@pytest.fixture
def appliance(misbehaving: Misbehaving, pebble_with) -> Iterator[TwoCas]:
    second = pebble_with(always_valid=True)
    with TwoCas.make(ca=misbehaving.ca, acme={"directory": misbehaving.directory_url}, second=second) as made:
        misbehaving.clock = made.clock
        made.configure()
        yield made


def limited() -> Reply:
    return Reply(429, "rateLimited", "too many new orders recently", headers={"Retry-After": "7200"})


@pytest.mark.parametrize(
    ("path", "reply", "kind"),
    [
        ("/dir", Reply(503, body=b"down for maintenance"), Elsewhere.LASTING),
        ("/order-plz", limited(), Elsewhere.AT_ONCE),
        ("/order-plz", Reply(403, "rejectedIdentifier", "we do not certify it"), Elsewhere.AT_ONCE),
        ("/order-plz", Reply(403, "caa", "CAA record for the name prevents issuance"), Elsewhere.AT_ONCE),
        ("/order-plz", Reply(403, "userActionRequired", "new terms: https://ca.example/new"), Elsewhere.AT_ONCE),
    ],
    ids=["down", "limited", "rejected", "caa", "terms"],
)
def test_the_second_is_asked_in_the_same_run_and_the_first_again_at_the_next_renewal(
    appliance: TwoCas, misbehaving: Misbehaving, path: str, reply: Reply, kind: Elsewhere
):
    misbehaving.answers(path, reply)
    appliance.terminal.run("apply")
    assert appliance.sources() == {SITE: "second"}
    assert appliance.roots_of(appliance.second)
    [failed] = appliance.orders_failed()
    assert (failed.source, failed.elsewhere) == ("acme", kind)
    explained = appliance.terminal.run("explain", "reverse_proxy", SITE).stdout
    assert "because     second" in explained
    status = json.loads(appliance.terminal.run("status", "--json").stdout)
    assert [(each["source"], each["status"]) for each in status["chains"] if each["used_by"]] == [("second", "valid")]

    misbehaving.heals()
    appliance.clock.advance(days=61)
    appliance.apply()
    assert appliance.sources() == {SITE: "acme"}
    assert appliance.roots_of(appliance.ca)


def test_one_that_is_down_keeps_nobody_from_looking_at_the_others(appliance: TwoCas, misbehaving: Misbehaving):
    appliance.apply()
    misbehaving.answers("/dir", Reply(503, body=b"down for maintenance"))
    found = appliance.terminal.run("acme", "persist", SITE, "--json")
    assert found.returncode == 3
    assert [each["source"] for each in json.loads(found.stdout)["records"]] == ["second"]
    assert found.stderr.startswith("acme: ")
    alone = appliance.terminal.run("acme", "check", SITE, "--ca", "acme")
    assert alone.returncode == 1
    both = appliance.terminal.run("acme", "check", SITE)
    assert both.returncode == 0
    assert "a.example.test  http-01" in both.stdout
    assert both.stderr.startswith("acme: ")


def test_a_ca_that_delivers_something_else_is_passed_where_nothing_serves(appliance: TwoCas, misbehaving: Misbehaving):
    root = toy_ca.root()
    leaf = root.leaf("other.example.com").certificate

    def another(answer: Reply) -> Reply:
        return replace(answer, body=toy_ca.pem(leaf))

    misbehaving.edits("/certZ/", another)
    appliance.apply()
    assert appliance.sources() == {SITE: "second"}


def test_a_failed_validation_is_not_carried_to_the_next_one(appliance: TwoCas, misbehaving: Misbehaving):
    misbehaving.answers("/order-plz", Reply(403, "dns", "no such name"))
    appliance.apply()
    assert appliance.sources() == {SITE: "local"}
    assert [each.source for each in appliance.orders_failed()] == ["acme"]


def test_both_down_at_once_is_as_with_one(appliance: TwoCas, misbehaving: Misbehaving):
    misbehaving.answers("/order-plz", limited())
    appliance.second.stop()
    said = appliance.terminal.run("apply")
    assert said.returncode == 3
    assert appliance.sources() == {SITE: "local"}
    assert {each.source for each in appliance.orders_failed()} == {"acme", "second"}
    reason = appliance.terminal.run("explain", "reverse_proxy", SITE).stdout
    assert "allows no more for now" in reason


def test_cas_that_share_no_code_take_over_from_each_other(acme2certifier: Acme2Certifier, pebble_with):
    second = pebble_with(always_valid=True)
    acme2certifier.stop()
    with TwoCas.make(ca=acme2certifier, second=second) as appliance:
        appliance.configure()
        appliance.terminal.run("apply")
        assert appliance.sources() == {SITE: "second"}
        assert appliance.roots_of(second)

        acme2certifier.start()
        second.stop()
        appliance.terminal.run("reissue", SITE)
        assert appliance.sources() == {SITE: "acme"}
        assert appliance.roots_of(acme2certifier)


def test_a_ca_with_a_key_of_its_own_is_answered_by_nginx_from_files(pebble_with):
    ca = pebble_with()
    with Certified.make(ca=ca, acme={"account_key": "own"}) as appliance:
        appliance.configure()
        appliance.apply()
        appliance.assert_certified(SITE)
        with appliance.store() as store:
            assert [(each.source, str(each.role)) for each in store.account_keys.all()] == [("acme", "present")]
        assert appliance.terminal.run("acme", "rekey").returncode == 0
        appliance.terminal.run("reissue", SITE)
        appliance.assert_certified(SITE)


def test_a_chain_is_revoked_by_the_ca_that_issued_it_whatever_its_table_is_called(
    appliance: TwoCas, misbehaving: Misbehaving
):
    misbehaving.answers("/order-plz", limited())
    appliance.apply()
    misbehaving.heals()
    table_of_it = appliance.layout.conf_d / "second.toml"
    text = table_of_it.read_text()
    assert appliance.second
    url = appliance.second.directory_url

    table_of_it.unlink()
    gone = appliance.terminal.run("revoke", SITE, "--yes")
    assert gone.returncode == 1
    cause, fix = gone.stderr.splitlines()
    assert cause == (
        f"Error: source second: The chain was issued by {url}, which none of the sources in use is set to now."
    )
    assert fix == (
        f'Add [[acme]] with name = "second" and directory = "{url}", then revoke it: no account is needed there, since '
        f"its key can sign that. Until then, have another one served: chainwright reissue --force {SITE}"
    )
    assert appliance.sources() == {SITE: "second"}

    table_of_it.write_text(text.replace('"second"', '"renamed"') + "agree_terms = false\n")
    revoked = appliance.terminal.run("revoke", SITE, "--reason", "keyCompromise", "--yes")
    assert "is revoked." in revoked.stderr
    with appliance.store() as store:
        assert [each.source for each in store.chains.records() if each.revoked_at] == ["second"]
