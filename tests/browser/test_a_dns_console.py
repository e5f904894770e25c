"""Somebody who has nothing but a DNS console: from "local by design" to the CA's wildcard, by what the page shows."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from box import SETTINGS, Box
from playwright.sync_api import Locator, expect
from visitor import Visitor

from agent.model.dns_record import DnsRecord
from sources.acme.conftest import pebble_with
from support.cas.misbehaving import Misbehaving
from support.cas.pebble import Pebble
from support.cas.stub_server import Reply
from support.servers.zones import Zones
from support.toml import table
from support.waiting import until

__all__ = ["pebble_with"]

NUMBERS = count(1)
LONG = 60_000
"""Milliseconds for a job that asks a CA."""


class Console:
    """An appliance with a wildcard, CAs that ask a real zone, and what changes that zone by hand."""

    def __init__(self, box: Box, zones: Zones, cas: Mapping[str, Pebble | Misbehaving]) -> None:
        self.box, self.zones, self.cas = box, zones, cas
        self.zone = zones.add(f"page-{next(NUMBERS)}.test")
        self.name = f"*.{self.zone}"

    def configure(self, more: str = "", **acme: Any) -> None:
        """Write the settings; `acme`: of each CA."""
        tables = "".join(self._table(name, ca, acme) for name, ca in self.cas.items())
        values = {"port": self.box.port, "webui": "", "sources": '["uploaded", "acme", "local"]', "acme": tables}
        self.box.settings(SETTINGS.format(**values) + f'[modules.sites]\nnames = ["{self.name}"]\n{more}')

    def _table(self, name: str, ca: Pebble | Misbehaving, more: dict[str, Any]) -> str:
        trust = f"/etc/chainwright/{name}.pem"
        assert ca.trust_file
        self.box.layout.rooted(trust).write_bytes(ca.trust_file.read_bytes())
        values = {
            "name": name,
            "directory": ca.directory_url,
            "names": "any",
            "trust": trust,
            "http_port": ca.http_port,
            "resolvers": self.zones.place,
            "dns_port": self.zones.port,
        }
        return table("acme", values | more).replace("[acme]", "[[acme]]")

    @property
    def source(self) -> str:
        return self.box.source(f"_wildcard.{self.zone}")

    @property
    def tried(self) -> set[str]:
        """Return the sources that have failed."""
        with self.box.store() as store:
            return {each.source for each in store.orders.records() if each.problem is not None}

    @property
    def left(self) -> list[DnsRecord]:
        """Return the records that are still to be removed."""
        with self.box.store() as store:
            return store.dns_records.all()

    def open(self) -> None:
        """Put the appliance into service, with the first look at the zone."""
        self.box.pass_over()
        for _ in range(2):
            self.box.engine().apply(wait=0)
        self.box.open()

    def writes(self, owner: str, *values: str) -> None:
        """Set the TXT records of a name in the zone, in place of those that are there."""
        changes = [("add", owner, "TXT", f'"{value}"') for value in values]
        self.zones.bind9.update(self.zone, ("delete", owner, "TXT"), *changes)
        serial = self.zones.bind9.serial(self.zone)
        until(lambda: self.zones.knot.serial(self.zone) == serial, what="the secondary follows")


@pytest.fixture
def console(tmp_path: Path, zones: Zones, pebble_with: Any) -> Iterator[Console]:
    """One CA."""
    made = Console(Box(tmp_path), zones, {"acme": pebble_with(dns_place=zones.place)})
    try:
        yield made
    finally:
        made.box.close()


def details(visitor: Visitor, console: Console) -> Locator:
    """Open the details of the wildcard."""
    visitor.go("/certificates")
    visitor.row(console.name).get_by_role("link", name=re.compile("^Details of")).click()
    return visitor.page.get_by_role("dialog")


def check_now(visitor: Visitor) -> None:
    """Have the agent look at everything."""
    press(visitor, "Check now")


def press(visitor: Visitor, button: str) -> None:
    """Press a button of the first page, and wait until that is done; what it has begun goes on."""
    visitor.go("/certificates")
    visitor.page.get_by_role("button", name=button).click()
    expect(visitor.page.locator("#job .status")).to_have_text(re.compile("Done"), timeout=LONG)


def becomes(visitor: Visitor, console: Console, wanted: str) -> None:
    """Look again and again until the wildcard has this status."""

    def status() -> str:
        visitor.go("/certificates")
        return visitor.row(console.name).locator(".status").inner_text()

    until(lambda: status() == wanted, seconds=60, what=f"the status is {wanted}")


def appears(visitor: Visitor, what: Locator) -> None:
    """Look again and again until something is on the first page."""

    def is_there() -> bool:
        visitor.go("/certificates")
        return what.count() > 0

    until(is_there, seconds=60, what=f"{what} is on the page")


def shown(dialog: Locator, what: str, number: int = 0) -> str:
    """Return what is to be written into the zone."""
    return (
        dialog.locator(".records dt", has_text=what)
        .locator("xpath=following-sibling::dd[1]/code")
        .nth(number)
        .inner_text()
    )


def test_the_page_leads_from_local_by_design_to_a_valid_wildcard(console: Console, visit: Any) -> None:
    console.configure()
    console.open()
    visitor = visit(console.box)
    expect(visitor.row(console.name)).to_contain_text("Local by design, until its record is in DNS: see the details.")
    dialog = details(visitor, console)
    expect(dialog).to_contain_text("not seen yet")
    visitor.looks("record")
    owner, value = shown(dialog, "Name"), shown(dialog, "Value")
    assert owner == f"_validation-persist.{console.zone}"

    console.writes(owner, value)
    check_now(visitor)
    becomes(visitor, console, "Valid")
    assert console.source == "acme"
    dialog = details(visitor, console)
    expect(dialog).to_contain_text("seen at 2 of 2 servers")
    expect(dialog).to_contain_text("each renewal goes by it")
    visitor.looks("seen")


def test_a_wrong_record_is_told_and_the_corrected_one_is_found_at_once(console: Console, visit: Any) -> None:
    console.configure()
    console.open()
    visitor = visit(console.box)
    dialog = details(visitor, console)
    owner, value = shown(dialog, "Name"), shown(dialog, "Value")
    right = value.replace("; policy=wildcard", "")
    assert right != value

    console.writes(owner, right)
    check_now(visitor)
    wrong = f"The TXT record at {owner} has no policy=wildcard, so it does not prove {console.name}."
    finding = visitor.page.locator(".problem").filter(has_text=f"DNS record {owner}")
    appears(visitor, finding)
    assert console.source == "local"
    expect(finding).to_contain_text(wrong)
    expect(finding).to_contain_text(f"What to do: Write instead: {value}")
    visitor.looks("found")
    dialog = details(visitor, console)
    expect(dialog).to_contain_text("there is one that is not right")
    expect(dialog).to_contain_text(wrong)
    visitor.looks("wrong")

    console.writes(owner, shown(dialog, "Value"))
    check_now(visitor)
    becomes(visitor, console, "Valid")
    expect(finding).to_have_count(0)


def test_another_authority_issues_while_the_first_is_out_of_order(
    tmp_path: Path, zones: Zones, pebble_with: Any, visit: Any
) -> None:
    cas = [
        Misbehaving(pebble_with(dns_place=zones.place, caa_identities=[f"{word}.example"])) for word in ("one", "two")
    ]
    with ExitStack() as stack:
        console = Console(Box(tmp_path), zones, dict(zip(("acme", "second"), cas, strict=True)))
        for each in (console.box, *cas):
            stack.callback(each.close)
        fail_over(console, visit, *cas)


def fail_over(console: Console, visit: Any, first: Misbehaving, second: Misbehaving) -> None:
    """Let both authorities fail, the second recover, then the first."""
    console.configure()
    console.open()
    visitor = visit(console.box)
    dialog = details(visitor, console)
    for text in ("(acme)", "(second)", "One of them is enough", "Local by design, until its record is in DNS"):
        expect(dialog).to_contain_text(text)
    visitor.looks("two records")
    owners = {shown(dialog, "Name", number) for number in (0, 1)}
    values = [shown(dialog, "Value", number) for number in (0, 1)]
    assert [each.partition(";")[0] for each in values] == ["one.example", "two.example"]
    down = Reply(503, body=b"down for maintenance")
    for each in (first, second):
        each.answers("/order-plz", down)

    console.writes(*owners, *values)
    check_now(visitor)
    becomes(visitor, console, "Local fallback")
    until(lambda: console.tried == {"acme", "second"}, seconds=60, what="both were asked")
    visitor.go("/certificates")
    expect(visitor.row(console.name)).to_contain_text("down for maintenance")
    expect(visitor.row(console.name)).to_contain_text("Next try in")
    visitor.looks("both down")

    second.heals()
    press(visitor, "Try now")
    becomes(visitor, console, "Valid")
    assert console.source == "second"
    dialog = details(visitor, console)
    expect(dialog).to_contain_text(re.compile("Why this one: second, as acme could not: .* 503 .*down for maintenance"))
    expect(dialog).to_contain_text("It is asked again when the certificate is to be renewed.")
    visitor.looks("second")

    first.heals()
    visitor.go("/certificates")
    visitor.row(console.name).get_by_role("button", name="Reissue").click()
    visitor.page.get_by_role("button", name="Reissue anyway").click()
    expect(visitor.page.locator("#job .status")).to_have_text(re.compile("Done"), timeout=LONG)
    console.box.engine().apply(wait=20)  # the process that has made one just now waits a minute
    assert console.source == "acme"
    becomes(visitor, console, "Valid")
    expect(details(visitor, console)).not_to_contain_text("could not")


def test_a_solver_that_fails_is_told_in_its_own_words_until_it_is_corrected(console: Console, visit: Any) -> None:
    console.configure(challenges=["dns-01"])
    console.open()
    visitor = visit(console.box)
    expect(visitor.row(console.name)).to_contain_text("until there is a [dns.NAME] table for its zone in the settings")
    visitor.looks("no solver")

    secret = console.box.layout.rooted("/etc/chainwright/dns-secret")
    write_secret(secret, base64.b64encode(bytes(32)).decode())
    key = console.zones.key
    solver = {
        "plugin": "rfc2136",
        "server": "127.0.0.1",
        "port": console.zones.port,
        "key_name": key.name,
        "secret_file": "/etc/chainwright/dns-secret",
        "zones": [console.zone],
        "check_servers": [console.zones.bind9.place, console.zones.knot.place],
    }
    lookups = {"resolvers": console.zones.place, "seconds": 20}
    console.configure(table("dns.zone", solver) + table("dns01", lookups), challenges=["dns-01"])
    check_now(visitor)
    becomes(visitor, console, "Local fallback")
    said = f'[dns.zone], 127.0.0.1: The DNS server has another secret for the key "{key.name}".'
    visitor.go("/certificates")
    expect(visitor.row(console.name)).to_contain_text(said)
    expect(visitor.row(console.name)).to_contain_text("What to do: Set secret to what the server has for this key")
    visitor.looks("refused")

    write_secret(secret, key.secret)
    press(visitor, "Try now")
    becomes(visitor, console, "Valid")
    assert console.source == "acme"
    until(lambda: not console.left, seconds=60, what="no record is left")
    check_now(visitor)
    visitor.go("/certificates")
    expect(visitor.page.locator(".problem")).to_have_count(0)
    visitor.looks("healed")


def write_secret(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
