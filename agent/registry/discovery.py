"""Discovery of plugins: the entry-point group ``chainwright`` and root-owned files in ``/etc/chainwright/plugins/``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from operator import itemgetter
from pathlib import Path
from types import ModuleType

from agent.errors.plugin import DISABLED, DropInRefused, ImportFailed, PackageRefused, PluginError
from agent.registry.contract_checks import NAME, NAME_RULE, Owner
from agent.registry.culprits import Culprits
from agent.registry.guard import Asked, Guard, PluginFailed
from agent.registry.import_hints import hint_of, place_of_mistake
from agent.registry.packages import check_package, homes
from agent.registry.versions import check_written_version
from agent.system.layout import Layout
from agent.system.trust import Untrusted, check_directory, read

GROUP = "chainwright"
OWN = "chainwright"
"""Name of our own distribution: its plugins are found by the same way, and come first."""


@dataclass(frozen=True, slots=True)
class FoundPlugin:
    """Plugin that is installed; nothing of it has run yet."""

    owner: Owner
    load: Callable[[], object] = field(repr=False)
    """Import it. May raise anything."""
    problem: PluginError | None = None
    """Why it may not be loaded at all."""
    homes: Callable[[], list[Path]] = field(default=list, repr=False)
    """Files and directories with its code."""
    entry: str = ""
    """What its entry point names; empty: it is a file."""


def candidates(layout: Layout) -> list[FoundPlugin]:
    """Return what is installed: our own plugins, other distributions' in order of their names, drop-in files."""
    return [*_installed(), *_drop_ins(layout)]


def load(candidate: FoundPlugin, guard: Guard) -> object:
    """Import a plugin. Raises `PluginError` for anything that it raises."""
    if candidate.problem:
        raise candidate.problem
    owner = candidate.owner
    asked = Asked(owner.plugin, "its import", f'plugin "{owner.plugin}"', DISABLED)
    try:
        return guard.call(asked, candidate.load, contract=(PackageRefused,), most=guard.import_seconds)
    except PluginFailed as failed:
        for path in candidate.homes():
            check_written_version(owner, path)
        hint, place = hint_of(failed.error), place_of_mistake(failed.error, failed.place)
        if candidate.entry and not place:
            hint = f'its entry point names "{candidate.entry}"'
        raise ImportFailed(owner.plugin, owner.origin, failed.error, place, hint) from failed.error


def culprits_of(found: Iterable[FoundPlugin]) -> Culprits:
    """Return who finds the plugin that a file belongs to."""
    return Culprits(lambda: [(each.owner.plugin, path) for each in found for path in each.homes()])


def of_file(path: Path) -> FoundPlugin:
    """Return the plugin of a file that is not installed: its author tests it."""
    return FoundPlugin(Owner(path.stem, str(path)), lambda: _execute(path, path.read_bytes()), homes=lambda: [path])


def _installed() -> list[FoundPlugin]:
    """Return the plugins of distributions. What a distribution is called is read once: that is parsing its metadata."""
    read: dict[int, tuple[str, str]] = {}
    found = []
    for point in entry_points(group=GROUP):
        if point.dist and id(point.dist) not in read:
            metadata = point.dist.metadata
            read[id(point.dist)] = metadata["Name"], metadata["Version"]
        name, version = read.get(id(point.dist), ("", ""))
        origin = f"{name} {version}" if point.dist else point.value
        found.append(
            (
                (name != OWN, point.name, name),
                FoundPlugin(
                    Owner(point.name, origin),
                    partial(_import, point, name, origin),
                    homes=partial(homes, point.module),
                    entry=point.value,
                ),
            )
        )
    return [plugin for _, plugin in sorted(found, key=itemgetter(0))]


def _import(point: EntryPoint, distribution: str, origin: str) -> object:
    """Import what an entry point names; of our own distribution, all that runs here is."""
    if distribution != OWN:
        check_package(point.name, origin, point.module)
    return point.load()


def _drop_ins(layout: Layout) -> list[FoundPlugin]:
    directory = layout.plugins
    if not directory.is_dir():
        return []
    refusal = _refusal(directory, lambda: check_directory(directory, root=layout.root))
    return [_drop_in(path, layout.root, refusal) for path in sorted(directory.glob("*.py"))]


def _refusal(path: Path, check: Callable[[], object]) -> DropInRefused | None:
    """Return why a file or directory may not be believed, as `check` finds."""
    try:
        check()
    except Untrusted as error:
        return DropInRefused(str(path), error.reason, error.fix)
    except OSError as error:
        reason = "it is a symbolic link" if path.is_symlink() else f"it can't be read: {error.strerror}"
        return DropInRefused(str(path), reason, f"install -m 644 FILE {path}")
    return None


def _drop_in(path: Path, root: Path, refusal: PluginError | None) -> FoundPlugin:
    owner = Owner(path.stem, str(path))
    if refusal is None and not NAME.fullmatch(path.stem):
        refusal = DropInRefused(str(path), f'its name "{path.stem}" {NAME_RULE}', f"mv {path} NAME.py")
    source: list[bytes] = []
    if refusal is None:  # read once: what is checked is what will run
        refusal = _refusal(path, lambda: source.append(read(path, root=root, follow=False).data))
    return FoundPlugin(owner, partial(_execute, path, b"".join(source)), refusal, lambda: [path])


def _execute(path: Path, source: bytes) -> ModuleType:
    """Run a drop-in file as a module, without a cache of its byte code beside it."""
    name = f"chainwright_plugin_{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # where pydantic and dataclasses look annotations up
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - a plugin is code, and this one is trusted
    except BaseException:
        del sys.modules[name]
        raise
    return module
