"""Version of the plugin contract, and what of it is deprecated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Version = tuple[int, int]
CONTRACT: Version = (1, 1)
"""Major and minor version of the contract that this agent keeps: what is added raises the minor, what is taken away the major."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Announcement that a public name, a hook or an attribute of a class goes away with the next major version."""

    since: Version
    instead: str
    """The name that takes its place."""


DEPRECATED: Mapping[str, Deprecation] = {}
"""What is deprecated, by name: ``chainwright plugins`` names the plugins that still use it."""


def shown(version: Version) -> str:
    """Return a version for people: ``1.0``."""
    return ".".join(map(str, version))
