"""Providers of dns-lexicon and their options, as ``providers.json`` has them: known without the library."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("providers.json")
"""What `plugins.lexicon.introspection` prints."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A DNS service."""

    options: Mapping[str, str]
    """Key -> what it is."""
    extra: bool
    """Whether it needs ``pip install dns-lexicon[NAME]``."""


def read_providers() -> Mapping[str, Provider]:
    """Return all of them by name."""
    found = json.loads(FILE.read_text())["providers"]
    return {name: Provider(each["options"], each["extra"]) for name, each in found.items()}


def alike(name: str, known: Iterable[str]) -> str:
    """Return a sentence that asks whether another name was meant, or lists those that there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name.replace("-", "_"), names, 1, 0.5)
    return f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(names) or 'none'}"
