"""Providers of dns-lexicon and their options, as ``providers.json`` has them: known without the library."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("providers.json")
"""What `plugins.lexicon.introspection` prints."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A DNS service."""

    options: Mapping[str, str]
    """Key -> what it is."""
    extra: bool
    """Whether it needs ``pip install dns-lexicon[NAME]``."""
    needed: Sequence[Sequence[str]] = ((),)
    """Options without which it can do nothing; several: in one of these ways. None: it may find credentials by itself."""
    flags: Sequence[str] = ()
    """Options that are ``true`` or ``false``."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What the library's own program takes where an option isn't given."""
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Options that take certain values only."""

    def lacks(self, given: Iterable[str]) -> str:
        """Say which options are missing; empty: none."""
        there = set(given)
        if any(way and there.issuperset(way) for way in self.needed):
            return ""
        if [] in self.needed and there.isdisjoint(option for way in self.needed for option in way):
            return ""
        return ", or ".join(" and ".join(way) for way in self.needed if way)


def read_providers() -> Mapping[str, Provider]:
    """Return all of them by name."""
    found = json.loads(FILE.read_text())["providers"]
    return {name: Provider(**each) for name, each in found.items()}


def alike(name: str, known: Iterable[str]) -> str:
    """Return a sentence that asks whether another name was meant, or lists those that there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name.replace("-", "_"), names, 1, 0.5)
    return f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(names) or 'none'}"
