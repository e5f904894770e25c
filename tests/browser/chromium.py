"""Debian's Chromium without a window, driven by Playwright, and with nothing to say to anybody but the page."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, BrowserType, Page, Request, sync_playwright

PROGRAM = "/usr/bin/chromium-headless-shell"
OPTIONS: dict[str, Any] = {
    "executable_path": PROGRAM,
    "args": [
        "--no-sandbox",  # the tests run as root
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        # Names of the appliance are on this machine; no other one is asked for.
        "--host-resolver-rules=MAP *.test 127.0.0.1, EXCLUDE localhost, EXCLUDE 127.0.0.1, MAP * ~NOTFOUND",
    ],
}
WAIT = 20_000
"""Milliseconds after which something that should appear has not."""


@contextmanager
def driver() -> Iterator[BrowserType]:
    """Give what starts browsers. It owns this thread's event loop meanwhile, so it ends with the file of tests."""
    with sync_playwright() as playwright:
        yield playwright.chromium


class Watched:
    """What a browser's pages asked for and complained of."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self._base = base
        self.complaints: list[str] = []
        self.abroad: list[str] = []
        context.on("request", self._asked)
        context.on("console", lambda message: self._said(message.type, message.text))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self._base, "data:", "blob:")):
            self.abroad.append(request.url)

    def _said(self, kind: str, text: str) -> None:
        # Chromium reports each answer of 400 and above, which a refused form is as well.
        if kind in {"error", "warning"} and not text.startswith("Failed to load resource: the server responded with"):
            self.complaints.append(text)


def settled(page: Page) -> None:
    """Wait until nothing moves any more, so that a picture shows what stays."""
    page.evaluate("() => Promise.all(document.getAnimations().map(each => each.finished.catch(() => {})))")


@contextmanager
def browser_that_trusts(browsers: BrowserType, home: Path, root: Path) -> Iterator[BrowserContext]:
    """Give a browser of a person who has installed a root certificate (PEM), by the tool that Debian has for it."""
    store = home / ".pki/nssdb"
    store.mkdir(parents=True)
    _certutil("-N", "--empty-password", "-d", f"sql:{store}")
    _certutil("-A", "-d", f"sql:{store}", "-n", "appliance", "-t", "C,,", "-i", str(root))
    context = browsers.launch_persistent_context(
        home / "profile", **OPTIONS, env={**os.environ, "HOME": str(home)}, accept_downloads=True
    )
    context.set_default_timeout(WAIT)
    try:
        yield context
    finally:
        context.close()


def _certutil(*arguments: str) -> None:
    subprocess.run(["certutil", *arguments], check=True, capture_output=True, timeout=30)
