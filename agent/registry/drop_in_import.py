"""Import of plugins that are no distributions, from what was read and checked of them, without a cache of byte code."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

CACHE = "__pycache__"


def import_file(path: Path, source: bytes) -> ModuleType:
    """Run a file as a module."""
    name = _module_name(path.stem)
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # where pydantic and dataclasses look annotations up
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - a plugin is code, and this one is trusted
    except BaseException:
        del sys.modules[name]
        raise
    return module


def import_package(path: Path, sources: Mapping[str, bytes]) -> ModuleType:
    """Import a package of these files by their paths; its modules import each other relatively."""
    name = _module_name(path.name)
    _forget(name)
    sys.meta_path.insert(
        0, _Finder(name, path, sources)
    )  # before the one that reads files itself, and writes byte code
    return import_module(name)


def _module_name(plugin: str) -> str:
    return f"chainwright_plugin_{plugin}"


def _forget(name: str) -> None:
    """Have nothing of what was imported as a package before: its files may have changed."""
    sys.meta_path[:] = [each for each in sys.meta_path if not (isinstance(each, _Finder) and each.name == name)]
    for each in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        del sys.modules[each]


class _Finder(MetaPathFinder):
    """Finder of the modules of one package, also of those that a function of it imports later."""

    def __init__(self, name: str, path: Path, sources: Mapping[str, bytes]) -> None:
        self.name = name
        self._path = path
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, *below = fullname.split(".")
        if top != self.name:
            return None
        place = self._path.joinpath(*below)
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if str(file) in self._sources:
                loader = _Loader(fullname, str(file), self._sources[str(file)])
                within = [str(place)] if file.parent == place else None
                return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=within)
        return None


class _Loader(SourceFileLoader):
    """Loader of one file as it was when it was checked. `importlib.resources` finds what is beside it."""

    def __init__(self, fullname: str, path: str, source: bytes) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self._source, self.path)
        return code
