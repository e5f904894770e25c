"""Chains given as files, for services that somebody else configures."""

from __future__ import annotations

from chainwright import Module, hookimpl
from plugins.files.module import Files

__all__ = ["Files"]


@hookimpl
def register_modules() -> list[type[Module]]:
    """Return the module of files."""
    return [Files]
