"""The documentation as a site: `packaging/site` builds it without a warning, and a browser that reads it asks nobody else."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from support.paths import CHECKOUT

SHOWN = (
    *CHECKOUT.glob("docs/**/*.md"),
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
)
"""Pages that people look for: the files of examples and tests are reached from these."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    built = subprocess.run(
        [CHECKOUT / "packaging/site", place],
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    assert built.returncode == 0, built.stdout
    return place / "site"


def named(entries: list[dict[str, object]]) -> Iterator[str]:
    """Yield the pages of a navigation, level by level."""
    for entry in entries:
        for target in entry.values():
            if isinstance(target, str):
                yield target
            else:
                yield from named(target)


def test_every_page_is_in_the_navigation():
    navigation = list(named(tomllib.loads((CHECKOUT / "zensical.toml").read_text())["project"]["nav"]))
    assert sorted(set(navigation)) == sorted(navigation)
    assert {str(path.relative_to(CHECKOUT)) for path in SHOWN} - set(navigation) == set()


def test_every_page_is_built(site: Path):
    for page in SHOWN:
        built = site / page.relative_to(CHECKOUT).with_suffix(".html")
        assert (built.with_name("index.html") if page.name == "README.md" else built).is_file(), page


class Loaded(HTMLParser):
    """What a browser asks for of itself, and what of plain Markdown was not understood."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.policies: list[str] = []
        self.text: list[str] = []
        self._within_code = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag in {"script", "img", "iframe", "source"} or (tag == "link" and found.get("rel") != "canonical"):
            self.addresses.append(found.get("src") or found.get("href") or "")
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policies.append(found["content"] or "")
        self._within_code += tag in {"code", "pre", "script", "style"}

    def handle_endtag(self, tag: str) -> None:
        self._within_code -= tag in {"code", "pre", "script", "style"}

    def handle_data(self, data: str) -> None:
        if not self._within_code:
            self.text.append(data)


def pages_of(site: Path) -> dict[str, Loaded]:
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[str(path.relative_to(site))] = page = Loaded()
        page.feed(path.read_text())
    return pages


def test_nothing_is_loaded_from_elsewhere(site: Path):
    pages = pages_of(site)
    assert [(name, each) for name, page in pages.items() for each in page.addresses if "//" in each] == []
    assert {len(page.policies) for page in pages.values()} == {1}
    styles = "".join(path.read_text() for path in site.glob("assets/stylesheets/**/*.css"))
    assert re.findall(r"url\((?!['\"]?data:|#|\.)[^)]*\)|@import", styles) == []


def test_plain_markdown_is_understood(site: Path):
    unread = re.compile(r"```|^\|.*\|$|\]\(", re.MULTILINE)
    assert {name: found for name, page in pages_of(site).items() if (found := unread.findall("".join(page.text)))} == {}


def test_links_lead_to_files_that_a_site_can_show():
    directories = [
        (str(page.relative_to(CHECKOUT)), target)
        for page in SHOWN
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text())
        if "//" not in target and (page.parent / target).is_dir()
    ]
    assert directories == []
