"""Code of plugins in installed packages: where it is, and whether somebody else can have written it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from agent.errors.plugin_loading import PackageRefused
from agent.system.trust import Untrusted, read


def check_package(plugin: str, origin: str, module: str) -> None:
    """Check the files that `module` is imported from. Raises `PackageRefused`.

    The directory that the package lies in is the interpreter's: who can write there can replace any module of the agent.
    """
    for path, package in _files(module):
        try:
            read(path, root=package)
        except Untrusted as error:
            raise PackageRefused(plugin, origin, str(path), error.reason, error.fix) from error
        except OSError:
            continue  # importing it says what is wrong with it


def homes(module: str) -> list[Path]:
    """Return where the code of a plugin is, whose module is named: its own file or directory, and that of its package."""
    top, *below = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return []
    places = [Path(each) for each in spec.submodule_search_locations or ()] if spec else []
    if not places:
        return [Path(spec.origin)] if spec and spec.origin else []
    own = [place.joinpath(*below) for place in places]
    return [*(each if each.is_dir() else each.with_suffix(".py") for each in own), *places]


def _files(module: str) -> Iterator[tuple[Path, Path]]:
    """Yield each file on the way to a module, with the package's directory; of a module in no package the file itself."""
    top, *below = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return
    if spec is None:
        return
    if spec.origin and Path(spec.origin).is_file():
        yield Path(spec.origin), Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
    for place in spec.submodule_search_locations or ():
        for number in range(1, len(below) + 1):
            path = Path(place, *below[:number])
            yield from (
                (each, Path(place)) for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file()
            )
