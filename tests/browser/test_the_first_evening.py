"""What somebody does with it who has never seen it: from the demo's first start on, with a real nginx behind it."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from states import Shop

from support.fakes.source_context import utc_now
from support.processes.demo import Demo, DemoProcess

SHOP = "shop.gateway.example.test"


@pytest.fixture
def demo() -> Iterator[DemoProcess]:
    # The socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="cw-") as directory:
        made = Demo(Path(directory) / "var")
        with made.up(str(made.port)) as process:
            yield process


def test_from_the_one_time_password_to_a_certificate_of_ones_own_on_the_wire(demo, window):
    found = re.search(r"one-time password (\S+)", demo.text)
    assert found
    base = f"https://localhost:{demo.demo.port}"
    visitor = window(base)
    page = visitor.page

    # The first login is good for nothing but a password of one's own.
    visitor.log_in("admin", found.group(1))
    page.wait_for_url("**/password")
    visitor.sees("The one-time password is good for this only. Choose a password of your own.")
    visitor.looks("password")
    visitor.go("/certificates")
    page.wait_for_url("**/password")
    page.get_by_label("One-time password").fill(found.group(1))
    page.get_by_label("New password", exact=True).fill("seven green bottles")
    page.get_by_label("New password, once more").fill("seven green bottles")
    page.get_by_role("button", name="Change it").click()

    # Both tables, and which chain each module uses.
    page.wait_for_url("**/certificates")
    for heading in ("TLS Certificates", "Valid certificates", "Downloaded certificates"):
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
    expect(visitor.row(SHOP)).to_contain_text("Reverse proxy")
    visitor.looks("tables")
    visitor.row(SHOP).get_by_role("link", name=re.compile("^Details of")).click()
    expect(page.get_by_role("dialog")).to_contain_text("serves this one now")
    visitor.looks("details")
    page.keyboard.press("Escape")

    # A certificate of one's own, seen by a client of the site.
    shop = Shop.at(utc_now())
    leaf = shop.authority.leaf(SHOP, "cart.gateway.example.test", now=utc_now(), days=200)
    page.get_by_role("link", name="Upload certificate").click()
    content = shop.bundle(leaf)
    page.get_by_label("Files").set_input_files(
        {"name": "shop.pem", "mimeType": "application/x-pem-file", "buffer": content}
    )
    page.get_by_role("button", name="Look at it first").click()
    visitor.looks("preview")
    page.get_by_role("button", name="Save and use it").click()
    expect(page.locator("#job .status")).to_have_text("Done", timeout=60_000)
    visitor.looks("steps")
    port = next(iter(demo.urls("reverse_proxy"))).rsplit(":", 1)[1].strip("/")
    site = window(f"https://{SHOP}:{port}")
    answer = site.page.goto(site.base)
    assert answer
    seen = answer.security_details()
    assert seen
    assert seen["issuer"] == "Example Commerce CA 4"

    # And back.
    visitor.go("/certificates")
    page.get_by_role("link", name=re.compile("^Delete")).click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("#job .status")).to_have_text("Done", timeout=60_000)
    visitor.go("/certificates")
    expect(visitor.row(SHOP)).to_contain_text("Local root")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
