"""Somebody who has nothing but a DNS console: from "local by design" to the CA's wildcard, by what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from box import SETTINGS, Box
from playwright.sync_api import Locator, expect
from visitor import Visitor

from agent.model.persistent import PersistentLook
from sources.acme.conftest import pebble_with
from support.cas.pebble import Pebble
from support.servers.zones import Zones
from support.toml import table
from support.waiting import until

__all__ = ["pebble_with"]

NUMBERS = count(1)
LONG = 60_000
"""Milliseconds for a job that asks a CA."""


class Console:
    """An appliance with a wildcard, CAs that ask a real zone, and whoever may change that zone by hand."""

    def __init__(self, box: Box, zones: Zones, cas: dict[str, Pebble]) -> None:
        self.box, self.zones, self.cas = box, zones, cas
        self.zone = zones.add(f"page-{next(NUMBERS)}.test")
        self.name = f"*.{self.zone}"

    def configure(self, more: str = "", **acme: Any) -> None:
        """Write the settings; `acme`: of each CA."""
        tables = "".join(self._table(name, ca, acme) for name, ca in self.cas.items())
        values = {"port": self.box.port, "webui": "", "sources": '["uploaded", "acme", "local"]', "acme": tables}
        self.box.settings(SETTINGS.format(**values) + f'[modules.sites]\nnames = ["{self.name}"]\n{more}')

    def _table(self, name: str, ca: Pebble, more: dict[str, Any]) -> str:
        trust = f"/etc/chainwright/{name}.pem"
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
    def looks(self) -> dict[str, PersistentLook]:
        """Return what was seen last of the record for each CA."""
        with self.box.store() as store:
            return {source: each for (source, _), each in store.persistent.all().items()}

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
    """Press the button, and wait until that is done; what it has begun goes on."""
    visitor.go("/certificates")
    visitor.page.get_by_role("button", name="Check now").click()
    expect(visitor.page.locator("#job .status")).to_have_text(re.compile("Done"), timeout=LONG)


def becomes_valid(visitor: Visitor, console: Console) -> None:
    """Look again and again until the wildcard has a chain of a CA in service."""

    def status() -> str:
        visitor.go("/certificates")
        return visitor.row(console.name).locator(".status").inner_text()

    until(lambda: status() == "Valid", what="the chain of a CA is in service")


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
    becomes_valid(visitor, console)
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
    until(lambda: console.looks["acme"].wrong, what="the record is looked at")
    assert console.source == "local"
    wrong = f"The TXT record at {owner} has no policy=wildcard, so it does not prove {console.name}."
    visitor.go("/certificates")
    finding = visitor.page.locator(".problem").filter(has_text=f"DNS record {owner}")
    expect(finding).to_contain_text(wrong)
    expect(finding).to_contain_text(f"What to do: Write instead: {value}")
    visitor.looks("found")
    dialog = details(visitor, console)
    expect(dialog).to_contain_text("there is one that is not right")
    expect(dialog).to_contain_text(wrong)
    visitor.looks("wrong")

    console.writes(owner, shown(dialog, "Value"))
    check_now(visitor)
    becomes_valid(visitor, console)
    expect(finding).to_have_count(0)
