"""Loader of templates for Jinja2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import BaseLoader, TemplateNotFound
from jinja2.loaders import split_template_path

from agent.rendering.template_files import read_template

if TYPE_CHECKING:
    from jinja2 import Environment


class TrustedLoader(BaseLoader):
    """Loader of the first template of a name in several directories. One that is there and isn't trusted is an error."""

    def __init__(self, directories: Sequence[Path], root: Path) -> None:
        self._directories = directories
        self._root = root

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, None]:
        """Return text and file of a template. Raises `TemplateNotFound` and `TemplateRefused`."""
        found = read_template(self._directories, "/".join(split_template_path(template)), self._root)
        if found is None:
            raise TemplateNotFound(template)
        return found[0], str(found[1]), None
