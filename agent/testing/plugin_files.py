"""Files of a plugin: by them it is known which line of a stack is the plugin's."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

OURS = ("agent", "chainwright")
"""Packages of the core: a plugin's classes inherit from theirs."""


@dataclass(frozen=True)
class PluginFiles:
    """Files, and directories of packages."""

    paths: frozenset[str]

    @classmethod
    def of(cls, plugin: object, classes: Iterable[type]) -> PluginFiles:
        """Return the files of a Python module and of the classes that it contributes."""
        modules = [plugin, *(sys.modules.get(kind.__module__) for each in classes for kind in each.__mro__)]
        return cls(frozenset(path for each in modules if (path := _path_of(each))))

    def have(self, file: str) -> bool:
        """Whether a file is one of them."""
        return any(file == path or file.startswith(f"{path}/") for path in self.paths)

    def place_of(self, error: BaseException | None) -> str:
        """Return `FILE:LINE` of the last frame in them that an exception went through; empty: there is none."""
        frames = traceback.extract_tb(error.__traceback__) if error else []
        found = [f"{each.filename}:{each.lineno}" for each in frames if self.have(each.filename)]
        return found[-1] if found else ""


def _path_of(module: object) -> str:
    """Return the file of a module, or the directory of the package that it is in; empty: it isn't a plugin's."""
    if not isinstance(module, ModuleType) or module.__name__.split(".")[0] in OURS:
        return ""
    file = str(getattr(module, "__file__", "") or "")
    if module.__name__.split(".")[0] in sys.stdlib_module_names or "/site-packages/pydantic" in file or not file:
        return ""
    in_package = hasattr(module, "__path__") or "." in module.__name__
    return str(Path(file).parent) if in_package else file
