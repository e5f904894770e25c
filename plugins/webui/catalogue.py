"""Texts of the pages, in one file a language: ``texts/LANGUAGE.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).with_name("texts")
FIRST = "en"
"""Complete; other languages fall back to it text by text."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of one language."""

    language: str
    rows: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its placeholders filled in; with `n` the form for one or for many. Raises `KeyError`."""
        if "n" in values:
            key = f"{key}.{'one' if values['n'] == 1 else 'many'}"
        return self.rows[key].format(**values) if values else self.rows[key]

    def named(self, family: str, word: object) -> str:
        """Return what a word of the agent is called, and the word itself where it has no name here."""
        return self.rows.get(f"{family}.{word}", str(word).replace("_", " "))


class Catalogue:
    """All languages."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        found = {path.stem: dict(_flat(tomllib.loads(path.read_text()))) for path in sorted(directory.glob("*.toml"))}
        self._texts = {language: Texts(language, found[FIRST] | rows) for language, rows in found.items()}

    def choose(self, accepted: str) -> Texts:
        """Return the language that a browser wants most, by its Accept-Language (RFC 9110 section 12.5.4)."""
        wanted = [each.partition(";")[0].strip().lower().partition("-")[0] for each in accepted[:200].split(",")]
        return next((self._texts[each] for each in wanted if each in self._texts), self._texts[FIRST])


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)
