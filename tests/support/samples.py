"""Samples of the documentation: each is a slice of a file that a test runs.

A page has ``<!-- sample: FILE -->`` or ``<!-- sample: FILE#SECTION -->`` before a block of code. In the file a section begins
with the comment ``sample: SECTION`` and ends with ``end: SECTION``. `GOLDEN=write` puts the slice into the page.
"""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.paths import CHECKOUT

BLOCK = re.compile(
    r"(?:^<!-- sample: (?P<file>[^\s#]+)(?:#(?P<section>[\w-]+))? -->\n\n?)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
MADE = re.compile(r"<!-- made: \w+ -->\n.*?<!-- end -->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of code of a page; of a sample, with the file that it is a slice of."""

    kind: str
    text: str
    file: str
    section: str

    @property
    def expected(self) -> str:
        return sliced((CHECKOUT / self.file).read_text(), self.section)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of code of a page, but those that are made from the code."""
    for found in BLOCK.finditer(MADE.sub("", page.read_text())):
        yield Block(found["kind"], found["text"], found["file"] or "", found["section"] or "")


def sliced(text: str, section: str) -> str:
    """Return a section of a file, moved to the left, or all of the file, without the marks of sections."""
    if section:
        found = re.search(
            rf"^[^\n]*\bsample: {section}\b[^\n]*\n(.*?)^[^\n]*\bend: {section}\b", text, re.MULTILINE | re.DOTALL
        )
        assert found, f"no section {section}"
        text = found[1]
    return (
        textwrap.dedent(re.sub(r"^[^\n\w]*(?:sample|end): [\w-]+[^\n]*\n", "", text, flags=re.MULTILINE)).strip("\n")
        + "\n"
    )


def written(page: str) -> str:
    """Return a page with the slices that its samples are now."""
    return BLOCK.sub(_written, page)


def _written(found: re.Match[str]) -> str:
    if not found["file"]:
        return found[0]
    text = sliced((CHECKOUT / found["file"]).read_text(), found["section"] or "")
    mark = f"{found['file']}#{found['section']}" if found["section"] else found["file"]
    return f"<!-- sample: {mark} -->\n\n```{found['kind']}\n{text}```"
