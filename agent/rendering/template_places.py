"""Place of the templates that come with the distribution."""

from __future__ import annotations

from pathlib import Path


def built_in_directory() -> Path:
    """Return the templates that come with the distribution: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"
