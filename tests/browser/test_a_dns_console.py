"""Somebody who has nothing but a DNS console: from "local by design" to the CA's wildcard, by what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from box import SETTINGS, Box
from playwright.sync_api import expect

from sources.acme.conftest import pebble_with
from support.cas.pebble import Pebble
from support.servers.zones import Zones
from support.toml import table
from support.waiting import until

__all__ = ["pebble_with"]

ZONE = "page.test"
NAME = f"*.{ZONE}"
TRUST = "/etc/chainwright/listener-root.pem"


@pytest.fixture
def box(tmp_path: Path, zones: Zones, pebble_with: Any) -> Iterator[Box]:
    """An appliance with a wildcard, and a CA that asks a real zone."""
    zones.add(ZONE)
    ca: Pebble = pebble_with(dns_place=zones.place)
    made = Box(tmp_path)
    made.layout.rooted(TRUST).write_bytes(ca.trust_file.read_bytes())
    acme = {
        "directory": ca.directory_url,
        "names": "any",
        "trust": TRUST,
        "http_port": ca.http_port,
        "resolvers": zones.place,
        "dns_port": zones.port,
    }
    sources = '["uploaded", "acme", "local"]'
    modules = f'[modules.sites]\nnames = ["{NAME}"]\n'
    made.settings(
        SETTINGS.format(port=made.port, webui="", sources=sources, acme=table("acme", acme)) + modules,
    )
    made.pass_over()
    try:
        made.open()
        yield made
    finally:
        made.close()


def passes(box: Box) -> None:
    """Let the pauses before the next look be over, and make the passes that follow."""
    with box.store() as store, store.write():
        store.database.execute("update persistent set next_at = null")
    for _ in range(3):
        box.engine().apply(wait=0)


def test_the_page_leads_from_local_by_design_to_a_valid_wildcard(box: Box, zones: Zones, visit: Any) -> None:
    passes(box)
    visitor = visit(box)
    row = visitor.row(NAME)
    expect(row).to_contain_text("Local by design, until its record is in DNS: see the details.")
    row.get_by_role("link", name=re.compile("^Details of")).click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_contain_text("not seen yet")
    visitor.looks("record")
    owner = dialog.locator("dt", has_text="Name").locator("xpath=following-sibling::dd[1]").locator("code").inner_text()
    value = (
        dialog.locator("dt", has_text="Value").locator("xpath=following-sibling::dd[1]").locator("code").inner_text()
    )
    assert owner == f"_validation-persist.{ZONE}"

    zones.bind9.update(ZONE, ("add", owner, "TXT", f'"{value}"'))
    until(lambda: zones.knot.values(owner, "TXT"), what="the secondary follows")
    passes(box)
    assert box.source(f"_wildcard.{ZONE}") == "acme"
    visitor.go("/certificates")
    expect(visitor.row(NAME)).to_contain_text("Valid")
    visitor.row(NAME).get_by_role("link", name=re.compile("^Details of")).click()
    expect(visitor.page.get_by_role("dialog")).to_contain_text("seen at 2 of 2 servers")
    visitor.looks("seen")
