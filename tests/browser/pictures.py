"""Paint the pictures of the README again: python tests/browser/pictures.py docs/pictures"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import states
from box import PASSWORDS, Box
from chromium import OPTIONS, driver, settled
from playwright.sync_api import Browser, Page, expect

SIZE = {"width": 1060, "height": 720}


@contextmanager
def appliance(browser: Browser, lay_out: Callable[[Box], None]) -> Iterator[Page]:
    """Give the page of an appliance, to somebody who has logged in."""
    with tempfile.TemporaryDirectory(prefix="cw-") as directory:
        box = Box(Path(directory) / "gateway")
        try:
            lay_out(box)
            box.open()
            page = browser.new_context(viewport=SIZE, ignore_https_errors=True, reduced_motion="reduce").new_page()
            page.goto(f"{box.url}/login")
            page.get_by_label("User").fill("admin")
            page.get_by_label("Password").fill(PASSWORDS["admin"])
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/certificates")
            yield page
        finally:
            box.close()


def troubled(box: Box) -> None:
    """Lay out what goes wrong on a bad day."""
    states.troubled(box)
    states.finish(box)


def paint(page: Page, path: Path) -> None:
    """Write what is in the window."""
    settled(page)
    page.screenshot(path=path)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    with driver() as browsers:
        browser = browsers.launch(**OPTIONS)
        with appliance(browser, troubled) as page:
            paint(page, directory / "certificates.png")
            row = page.locator("tbody").filter(has_text="mail.example.com").first
            row.get_by_role("link", name=re.compile("^Details of")).click()
            expect(page.get_by_role("dialog")).to_be_visible()
            paint(page, directory / "details.png")
        with appliance(browser, states.calm) as page:
            page.get_by_role("button", name="Reissue news.example.com").click()
            expect(page.locator("#job .status")).to_have_text("Done", timeout=60_000)
            paint(page, directory / "reissue.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
