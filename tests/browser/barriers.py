"""What keeps people from using a page, as axe-core finds it (WCAG 2.2 AA, and its authors' best practices)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).with_name("axe") / "axe.min.js"
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # all that passes takes ten times as long
}


@cache
def _axe() -> str:
    return AXE.read_text()


def barriers(page: Page) -> list[str]:
    """Return a line for each place that violates a rule. The page's policy for scripts doesn't apply to the driver's."""
    page.evaluate(_axe())
    found: list[dict[str, Any]] = page.evaluate("async rules => (await axe.run(document, rules)).violations", RULES)
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
    ]
