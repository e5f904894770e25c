"""Rendered configurations, compared with files that a person has read. ``GOLDEN=write pytest`` writes them anew."""

import os
from collections.abc import Mapping

from support.paths import TESTS

DIRECTORY = TESTS / "golden"


def compare(name: str, files: Mapping[str, str]) -> None:
    """Compare `files` (relative path -> text) with the directory ``golden/NAME``."""
    place = DIRECTORY / name
    if os.environ.get("GOLDEN") == "write":
        for path, text in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(text)
    kept = {str(path.relative_to(place)): path.read_text() for path in place.rglob("*") if path.is_file()}
    assert dict(files) == kept
