"""Somebody who looks at the pages with a browser."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from barriers import barriers
from chromium import Watched, settled
from playwright.sync_api import Locator, Page, expect

PICTURES = os.environ.get("PICTURES", "")
"""A directory: every page that is looked at is painted into it."""


@dataclass
class Visitor:
    """One window of a browser."""

    page: Page
    base: str
    watched: Watched
    label: str
    """Of the test, for the pictures."""
    scripts: bool = True
    """Whether the browser runs any; axe-core is one."""
    pictures: int = 0

    def go(self, path: str) -> None:
        self.page.goto(f"{self.base}{path}")
        if self.scripts:  # htmx begins in a task of its own, which may come after the page's load event
            self.page.evaluate("() => new Promise(resolve => setTimeout(resolve))")

    def log_in(self, user: str, password: str) -> None:
        self.go("/login")
        self.page.get_by_label("User").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def sees(self, text: str | re.Pattern[str]) -> Locator:
        """Wait until a text stands there."""
        found = self.page.get_by_text(text).filter(visible=True).first
        expect(found).to_be_visible()
        return found

    def row(self, text: str) -> Locator:
        """Return the body of a table that holds a row with this text."""
        return self.page.locator("tbody").filter(has_text=text).first

    def fits(self) -> bool:
        """Return whether nothing is wider than the window."""
        wide: bool = self.page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth")
        return not wide

    def tab_through(self, limit: int) -> list[str]:
        """Press Tab until the beginning or the end of the page; return what was reached, by name."""
        reached: list[str] = []
        for _ in range(limit):
            self.page.keyboard.press("Tab")
            name: str = self.page.evaluate(
                "() => document.activeElement === document.body ? '' :"
                " (document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"
            )
            if not name:
                break
            reached.append(name)
        return reached

    def looks(self, name: str = "") -> None:
        """Paint the page where pictures are wanted, and see that nothing on it keeps anybody out."""
        self.page.wait_for_load_state("load")
        if self.scripts:
            settled(self.page)
        if PICTURES:
            self.pictures += 1
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            path = Path(PICTURES) / f"{self.label}-{self.pictures:02}{'-' if name else ''}{name}.png"
            dialog = self.page.locator("dialog[open]").count() > 0  # it stands in the window, not on the page
            self.page.screenshot(path=path, full_page=not dialog)
        if self.scripts:
            assert barriers(self.page) == []
