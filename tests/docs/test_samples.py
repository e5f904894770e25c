"""Samples of the documentation are slices of files that tests run."""

import os
import re
from pathlib import Path

import pytest

from support.paths import CHECKOUT, TESTS
from support.samples import blocks, sliced, written

PAGES = sorted((*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")))
RUN_ITSELF = {"docs/plugins/testing.md", "docs/plugins/tutorial.md"}
"""Their blocks are run by a test of their own."""
CODE = {"python", "jinja"}


def named(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_sample_is_what_its_file_has(page: Path):
    if os.environ.get("GOLDEN") == "write":
        page.write_text(written(page.read_text()))
    for block in blocks(page):
        if block.file:
            assert block.text.strip()
            assert block.text == block.expected, f"{named(page)} is behind {block.file}: GOLDEN=write pytest tests/docs"


@pytest.mark.parametrize("page", [page for page in PAGES if named(page) not in RUN_ITSELF], ids=named)
def test_code_for_plugins_is_a_sample(page: Path):
    assert [block.text for block in blocks(page) if block.kind in CODE and not block.file] == []


def test_the_file_of_a_sample_is_tested():
    tests = "\n".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    for file in {block.file for page in PAGES for block in blocks(page)} - {""}:
        path = Path(file)
        assert path.parts[0] in {"tests", "examples"}
        names = {path.stem, *path.parts[:-1]} - {"tests", "examples", "third_party", "templates", "plugins", "support"}
        assert any(re.search(rf"\b{name}\b", tests) for name in names), f"no test names {file}"


@pytest.mark.parametrize(
    ("text", "section", "expected"),
    [
        ("a\nb\n", "", "a\nb\n"),
        ("a\n# sample: x\nb\n# end: x\nc\n", "x", "b\n"),
        ("a\n    # sample: x\n    b\n        c\n    # end: x\n", "x", "b\n    c\n"),
        ("# sample: x\na\n# sample: y\nb\n# end: y\n# end: x\n", "x", "a\nb\n"),
        ("{# sample: x #}\na\n{# end: x #}\n", "x", "a\n"),
        ("# sample: x\na\n# end: x\n", "", "a\n"),
    ],
)
def test_a_slice(text: str, section: str, expected: str):
    assert sliced(text, section) == expected
