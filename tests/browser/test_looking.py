"""Looking: both tables, each state in its words, the details; at any width, in the light and in the dark, without scripts."""

import re

import pytest
from barriers import barriers
from playwright.sync_api import expect
from states import REFUSAL

WORDS = {
    "bank.example.com": ("No certificate", "No chain yet: no uploaded chain covers bank.example.com."),
    "old.example.com": ("Expired", "clients refuse it."),
    "vpn.example.com": ("Failed", 'Let\'s Encrypt does not accept the profile: there is no profile "tlsserverr".'),
    "mail.example.com": ("Not deployed", REFUSAL.strip()),
    "cloud.example.com": ("Renewal overdue", "3 tries failed: Let's Encrypt allows no more for now"),
    "blog.example.com": ("Local fallback", "Apache/2.4.62 at 203.0.113.7:80 says 404 Not Found."),
    "wifi.example.com": ("Waiting", "Start or install the service; the next pass looks again."),
    "kiosk.example.com": (
        "Waiting",
        "when its activation window opens. What was there before stays in service until then.",
    ),
    "shop.example.com": ("Issuing…", "ACME: the CA looks at 0 of 1 names. Begun "),
    "localhost": (
        "Valid (local)",
        "Local by design: public authorities certify no addresses of a network of your own.",
    ),
    "www.example.com": ("Valid", "in service"),
}
PAGES = ("/certificates?view=modules", "/certificates?attention=1", "/certificates?filter=nothing-has-this-name")
FURTHER = (
    "/root",
    "/events",
    "/audit",
    "/tokens",
    "/password",
    "/upload",
    "/root/replace",
    "/root/reissue",
    "/nowhere",
)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_each_state_has_its_words(troubled, visit, scheme, width):
    visitor = visit(troubled, color_scheme=scheme, viewport={"width": width, "height": 800})
    for name, (word, sentence) in WORDS.items():
        row = visitor.row(name)
        expect(row).to_contain_text(word)
        expect(row).to_contain_text(sentence)
    visitor.looks()


def test_what_is_urgent_stands_first_and_the_root_last(troubled, visit):
    visitor = visit(troubled)
    labels = visitor.page.locator("section").first.locator(".card").first.locator(".status").all_inner_texts()
    assert list(dict.fromkeys(labels)) == [
        "No certificate",
        "Expired",
        "Failed",
        "Not deployed",
        "Renewal overdue",
        "Local fallback",
        "Waiting",
        "Issuing…",
        "Valid (local)",
        "Valid",
        "Root",
    ]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("user", "width", "scheme"),
    [("admin", 1280, "light"), ("admin", 1280, "dark"), ("admin", 360, "light"), ("guest", 1280, "light")],
)
def test_no_page_keeps_anybody_out(troubled, visit, user, width, scheme):
    visitor = visit(troubled, user=user, color_scheme=scheme, viewport={"width": width, "height": 800})
    for path in (*PAGES, *FURTHER):
        visitor.go(path)
        visitor.looks(re.sub(r"\W+", "-", path).strip("-"))
        assert visitor.fits(), path


def test_what_nobody_uses_is_folded_away_behind_one_line(troubled, visit, scripts):
    visitor = visit(troubled, java_script_enabled=scripts)
    fold = visitor.page.locator("#unused")
    expect(fold.locator("summary")).to_have_text(re.compile(r"^\d+ unused certificates$"))
    expect(fold.get_by_role("table")).to_be_hidden()
    fold.locator("summary").focus()
    visitor.page.keyboard.press("Enter")
    expect(fold.get_by_role("table")).to_be_visible()
    expect(fold).to_contain_text("unused.example.net")
    visitor.looks()
    if scripts:  # a row that works has the tables brought up to date
        with visitor.page.expect_response("**/certificates"):
            pass
        expect(fold.get_by_role("table")).to_be_visible()


def test_rows_that_are_brought_up_to_date_never_lose_what_opens_the_dialog(troubled, visit):
    visitor = visit(troubled)
    visitor.page.evaluate(
        "() => { window.lost = 0; new MutationObserver((changes) => { window.lost += changes.length; })"
        ".observe(document.getElementById('tables'), { subtree: true, attributeFilter: ['hx-get', 'hx-post'] }); }"
    )
    for _ in range(3):  # what the one before the last has brought is in place
        with visitor.page.expect_response("**/certificates"):
            pass
    assert visitor.page.evaluate("() => window.lost") == 0
    assert visitor.page.locator("#tables a.eye:not([hx-get])").count() == 0
    visitor.row("www.example.com").get_by_role("link", name=re.compile("^Details of")).click()
    expect(visitor.page.get_by_role("dialog")).to_be_visible()


def test_the_tables_fit_into_any_window(troubled, visit):
    visitor = visit(troubled)
    visitor.page.locator("#unused summary").click()
    for width in (320, 700, 970, 985, 1060, 1240, 1900):
        visitor.page.set_viewport_size({"width": width, "height": 800})
        visitor.looks(str(width))
        assert visitor.fits(), width


def test_a_row_stands_for_a_certificate_or_for_a_use_of_one(troubled, visit, scripts):
    visitor = visit(troubled, java_script_enabled=scripts)
    assert visitor.page.locator("tbody").filter(has_text="vpn.example.com").count() == 1
    visitor.page.get_by_role("link", name="By module").click()
    visitor.page.wait_for_url("**view=modules*")
    uses = visitor.page.locator("tbody").filter(has_text="vpn.example.com")
    expect(uses).to_have_count(2)
    assert {each for each in ("VPN (SSTP)", "VPN (IKEv2)") if uses.filter(has_text=each).count() == 1} == {
        "VPN (SSTP)",
        "VPN (IKEv2)",
    }


def test_rows_are_found_by_a_part_of_their_name(troubled, visit, scripts):
    visitor = visit(troubled, java_script_enabled=scripts)
    visitor.page.get_by_label("Filter").fill("blog")
    if not scripts:
        visitor.page.get_by_role("button", name="Find").click()
    visitor.page.wait_for_url("**filter=blog*")
    expect(visitor.page.locator("section").first.get_by_role("rowheader")).to_have_count(1)
    visitor.sees("blog.example.com")
    visitor.looks()


def test_only_what_needs_attention_is_shown_on_demand(troubled, visit, scripts):
    visitor = visit(troubled, java_script_enabled=scripts)
    visitor.page.get_by_role("link", name=re.compile("^Attention")).click()
    visitor.page.wait_for_url("**attention=1*")
    expect(visitor.row("www.example.com")).to_have_count(0)
    expect(visitor.row("mail.example.com")).to_be_visible()


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["mail.example.com", "wifi.example.com", "example.org", "localhost"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_eye_opens_the_details_and_they_have_an_address(troubled, visit, name, width):
    visitor = visit(troubled, viewport={"width": width, "height": 800})
    eye = visitor.row(name).get_by_role("link", name=re.compile("^Details of"))
    eye.click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for heading in ("Certificate", "Chain", "Used by", "Renewal", "Last events"):
        expect(dialog.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    visitor.looks("dialog")
    address = dialog.get_by_role("link", name="Open as a page").get_attribute("href")
    visitor.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(eye).to_be_focused()
    visitor.go(address or "")
    expect(visitor.page.get_by_role("main")).to_contain_text(name)
    visitor.looks("page")
    assert visitor.fits()


def test_without_scripts_the_eye_leads_to_the_same_details(troubled, visit):
    visitor = visit(troubled, java_script_enabled=False)
    visitor.row("mail.example.com").get_by_role("link", name=re.compile("^Details of")).click()
    visitor.page.wait_for_url("**/certificates/*")
    visitor.sees("SHA-256 fingerprint")
    visitor.sees("serves another one now")


def test_a_fingerprint_is_copied_with_a_click(troubled, visit):
    visitor = visit(troubled)
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.row("www.example.com").get_by_role("link", name=re.compile("^Details of")).click()
    value = (
        visitor.page.get_by_role("dialog").locator("dd", has_text=":").filter(has=visitor.page.locator("button")).last
    )
    value.get_by_role("button", name="Copy").click()
    expect(value.get_by_role("button")).to_have_text("Copied")
    copied = visitor.page.evaluate("navigator.clipboard.readText()")
    assert copied == value.locator("code").inner_text()


def test_everything_is_reached_with_the_keyboard_alone(troubled, visit):
    visitor = visit(troubled)
    page = visitor.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    reached = visitor.tab_through(limit=200)
    for wanted in (
        "Check now",
        "Filter",
        "Details of bank.example.com",
        "Upload certificate",
        "Delete unused.example.net",
    ):
        if wanted != "Details of bank.example.com":  # it has no chain, and so no details
            assert any(wanted in each for each in reached), wanted
    assert not [each for each in reached if "Log out" in each], "the link leads past the head of the page"


def test_a_dialog_keeps_the_keyboard_and_gives_it_back(troubled, visit):
    visitor = visit(troubled)
    page = visitor.page
    eye = visitor.row("www.example.com").get_by_role("link", name=re.compile("^Details of"))
    eye.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        outside = page.evaluate("() => document.activeElement.closest('main') !== null")
        assert not outside
    page.keyboard.press("Escape")
    expect(eye).to_be_focused()


def test_what_keeps_people_out_would_be_found(window):
    visitor = window("about:blank")
    visitor.page.set_content("<html><body><img src='data:,'><input><p style='color: #ccc'>pale</p></body></html>")
    found = " ".join(barriers(visitor.page))
    assert all(f"{rule}: " in found for rule in ("image-alt", "label", "color-contrast", "html-has-lang"))
