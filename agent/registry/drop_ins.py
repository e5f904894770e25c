"""Plugins of ``/etc/chainwright/plugins/``: a file ``NAME.py``, or a package, the directory ``NAME/`` with an ``__init__.py``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from agent.errors.plugin import PluginError
from agent.errors.plugin_loading import DropInRefused
from agent.registry.contract_checks import NAME, NAME_RULE, Owner
from agent.registry.drop_in_import import CACHE, import_file, import_package
from agent.registry.found_plugin import FoundPlugin
from agent.system.layout import Layout
from agent.system.trust import Untrusted, check_directory, read

TEMPLATES = "templates"
"""Directory of the templates of all plugins that are files; it is no package."""
MOST_FILES = 1000
"""Files of one package: each is read by every command."""


def drop_ins(layout: Layout) -> list[FoundPlugin]:
    """Return the plugins of an appliance that are no distributions, by name."""
    directory = layout.plugins
    if not directory.is_dir():
        return []
    refusal = _refusal(directory, lambda: check_directory(directory, root=layout.root))
    found = {path.with_suffix("") if path.suffix == ".py" else path for path in directory.iterdir() if _is_plugin(path)}
    return [_drop_in(place, layout.root, refusal) for place in sorted(found)]


def of_path(path: Path) -> FoundPlugin:
    """Return the plugin of a file or a package that is not installed: its author tests it."""
    if path.is_dir():
        sources = {str(each): each.read_bytes() for each in path.rglob("*.py")}
        return FoundPlugin(_owner(path.name, path), partial(import_package, path, sources), homes=lambda: [path])
    return FoundPlugin(Owner(path.stem, str(path)), lambda: import_file(path, path.read_bytes()), homes=lambda: [path])


def _is_plugin(path: Path) -> bool:
    """Whether something of the directory is meant to be a plugin: a package without ``__init__.py`` is, and a whole project."""
    if path.suffix == ".py":
        return True
    if path.name in {TEMPLATES, CACHE} or path.name.startswith(".") or not path.is_dir():
        return False
    return any(path.glob("*.py")) or (path / "pyproject.toml").exists()


def _drop_in(place: Path, root: Path, refusal: PluginError | None) -> FoundPlugin:
    """Return a plugin by its path without ``.py``."""
    file = place.with_name(f"{place.name}.py")
    package = _is_plugin(place)
    path = place if package else file
    sources: dict[str, bytes] = {}
    if refusal is None:
        refusal = _misnamed(path, place.name, both=package and file.exists())
    if refusal is None:  # read once: what is checked is what will run
        refusal = _checked(path, root, sources)
    run = partial(import_package, path, sources) if package else partial(import_file, path, sources.get(str(path), b""))
    return FoundPlugin(_owner(place.name, path), run, refusal, lambda: [path])


def _owner(name: str, path: Path) -> Owner:
    """Return what a plugin is called and where it begins, of a package the file that is imported first."""
    first = path / "__init__.py"
    return Owner(name, str(first if first.is_file() else path))


def _misnamed(path: Path, name: str, *, both: bool) -> DropInRefused | None:
    """Return why a plugin can't have its name."""
    if both:
        reason = f"there is {path.name}.py beside it, and a name is that of one plugin"
        return DropInRefused(str(path), reason, f"rm {path}.py")
    if not NAME.fullmatch(name):
        return DropInRefused(str(path), f'its name "{name}" {NAME_RULE}', f"mv {path} NAME{path.suffix}")
    if path.is_dir() and not (path / "__init__.py").exists():
        return DropInRefused(str(path), "it has no __init__.py", _as_package(path))
    return None


def _as_package(path: Path) -> str:
    """Return the command that makes a package of what looks like one: of a project that has one, of a file in a directory."""
    inner = next((each.parent for each in sorted(path.glob("*/__init__.py")) if each.parent.name != "tests"), None)
    file = next(iter(sorted(path.glob("*.py"))), path / "FILE.py")
    return f"mv {inner} {path.parent}/" if inner else f"mv {file} {path}/__init__.py"


def _checked(path: Path, root: Path, sources: dict[str, bytes]) -> DropInRefused | None:
    """Read a file, or all below a directory, into `sources`. Return why it may not be believed."""
    inside: list[Path] = []
    refusal = _refusal(path, lambda: inside.extend(_read(path, root, sources)))
    return refusal or next(filter(None, (_checked(each, root, sources) for each in inside)), None)


def _read(path: Path, root: Path, sources: dict[str, bytes]) -> list[Path]:
    """Read a file; return what is in a directory. Byte code is left out: it isn't used. Raises OSError, `Untrusted`."""
    if len(sources) >= MOST_FILES:
        raise OSError(0, f"there are more than {MOST_FILES} files")
    if path.is_dir() and not path.is_symlink():
        check_directory(path, root=root)
        return [each for each in sorted(path.iterdir()) if each.name != CACHE]
    data = read(path, root=root, follow=False).data
    sources[str(path)] = data if path.suffix == ".py" else b""
    return []


def _refusal(path: Path, check: Callable[[], object]) -> DropInRefused | None:
    """Return why a file or directory may not be believed, as `check` finds."""
    try:
        check()
    except Untrusted as error:
        return DropInRefused(str(path), error.reason, error.fix)
    except OSError as error:
        reason = "it is a symbolic link" if path.is_symlink() else f"it can't be read: {error.strerror}"
        copied = f"rm {path}; cp -r DIRECTORY {path}" if path.is_dir() else f"install -m 644 FILE {path}"
        return DropInRefused(str(path), reason, copied)
    return None
