"""Browsers, and appliances that they look at. PICTURES=DIR paints every page that a test looks at into a directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import states
from box import PASSWORDS, Box
from chromium import OPTIONS, WAIT, Watched, driver
from playwright.sync_api import Browser, BrowserType, expect
from visitor import Visitor

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def browsers() -> Iterator[BrowserType]:
    with driver() as found:
        expect.set_options(timeout=WAIT)
        yield found


@pytest.fixture(scope="module")
def browser(browsers: BrowserType) -> Iterator[Browser]:
    started = browsers.launch(**OPTIONS)
    yield started
    started.close()


@pytest.fixture
def window(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """Open windows onto an address; at the end nothing was asked from elsewhere, and nobody complained on the console."""
    opened = []

    def window(base: str, **options: Any) -> Visitor:
        wanted = {"viewport": {"width": 1280, "height": 900}, "ignore_https_errors": True, "reduced_motion": "reduce"}
        context = browser.new_context(**(wanted | options))
        context.set_default_timeout(WAIT)
        watched = Watched(context, base)
        opened.append((context, watched))
        label = re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")
        return Visitor(context.new_page(), base, watched, label, options.get("java_script_enabled", True))

    yield window
    for context, _ in opened:
        context.close()
    assert [each for _, watched in opened for each in (*watched.abroad, *watched.complaints)] == []


@pytest.fixture
def visit(window: Visit) -> Visit:
    """Open a window onto an appliance, as one of its people, who logs in where no session of an earlier window goes on."""

    def visit(box: Box, path: str = "/certificates", user: str = "admin", **options: Any) -> Visitor:
        box.renew()
        box.passwords_given()
        visitor = window(box.url, storage_state=box.sessions.get(user), **options)
        visitor.go(path)
        if "/login" in visitor.page.url:
            visitor.log_in(user, PASSWORDS[user])
            visitor.page.wait_for_url("**/certificates")
            box.sessions[user] = visitor.page.context.storage_state()
            visitor.go(path)
        return visitor

    return visit


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """An appliance with a chain in each state; nothing happens on it unless a test lets it."""
    box = Box(tmp_path_factory.mktemp("box"))
    try:
        states.troubled(box)
        box.open()
        states.finish(box)
        yield box
    finally:
        box.close()


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """An appliance on which all is well, with a local chain for each name."""
    box = Box(tmp_path_factory.mktemp("box"))
    try:
        states.calm(box)
        box.open()
        yield box
    finally:
        box.close()


@pytest.fixture(params=[True, False], ids=["", "without-scripts"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs scripts."""
    return request.param
