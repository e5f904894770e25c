"""The root that the page gives makes the page trusted: in a browser's own store, with no exception made for anything."""

import pytest
from box import PASSWORDS
from chromium import browser_that_trusts
from playwright.sync_api import Error, expect


def test_a_browser_that_got_the_root_from_the_page_trusts_the_page(calm, browsers, window, tmp_path):
    stranger = window(calm.url, ignore_https_errors=False)
    with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
        stranger.go("/login")

    careless = window(calm.url)
    careless.go("/login")
    with careless.page.expect_download() as download:  # nobody has to log in for it
        careless.page.get_by_role("link", name="Download root").click()

    with browser_that_trusts(browsers, tmp_path, download.value.path()) as trusting:
        page = trusting.pages[0]
        answer = page.goto(f"{calm.url}/login")
        assert answer
        assert answer.ok
        issued = answer.security_details()
        assert issued
        assert issued["issuer"] == "gw Root CA"
        page.get_by_label("User").fill("admin")
        page.get_by_label("Password").fill(PASSWORDS["admin"])
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="TLS Certificates")).to_be_visible()


def test_the_page_of_a_connection_shows_the_certificate_that_the_browser_was_given(calm, window):
    visitor = window(calm.url)
    visitor.go("/connection")
    shown = visitor.page.locator("tr", has_text="SHA-256").locator("code").inner_text()
    assert shown.replace(":", "").lower() == calm.bound("address")
    visitor.looks()
