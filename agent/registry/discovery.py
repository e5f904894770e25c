"""Discovery of plugins: the entry-point group ``chainwright`` and what root has put into ``/etc/chainwright/plugins/``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from operator import itemgetter

from agent.errors.plugin import DISABLED
from agent.errors.plugin_loading import ImportFailed, PackageRefused
from agent.registry.contract_checks import Owner
from agent.registry.culprits import Culprits
from agent.registry.drop_ins import drop_ins
from agent.registry.found_plugin import FoundPlugin
from agent.registry.guard import IMPORT, Asked, Guard, PluginFailed
from agent.registry.import_hints import hint_of, place_of_mistake
from agent.registry.packages import check_package, homes
from agent.registry.versions import check_written_version
from agent.system.layout import Layout

GROUP = "chainwright"
OWN = "chainwright"
"""Name of our own distribution: its plugins are found by the same way, and come first."""


def candidates(layout: Layout) -> list[FoundPlugin]:
    """Return what is installed: our own plugins, other distributions' in order of their names, drop-ins."""
    return [*_installed(), *drop_ins(layout)]


def load(candidate: FoundPlugin, guard: Guard) -> object:
    """Import a plugin. Raises `PluginError` for anything that it raises."""
    if candidate.problem:
        raise candidate.problem
    owner = candidate.owner
    asked = Asked(owner.plugin, IMPORT, f'plugin "{owner.plugin}"', DISABLED)
    try:
        return guard.call(asked, candidate.load, contract=(PackageRefused,), most=guard.import_seconds)
    except PluginFailed as failed:
        for path in candidate.homes():
            check_written_version(owner, path)
        hint, place = (
            hint_of(failed.error, "" if candidate.entry else owner.plugin),
            place_of_mistake(failed.error, failed.place),
        )
        if candidate.entry and not place:
            hint = f'its entry point names "{candidate.entry}"'
        raise ImportFailed(owner.plugin, owner.origin, failed.error, place, hint) from failed.error


def culprits_of(found: Iterable[FoundPlugin]) -> Culprits:
    """Return who finds the plugin that a file belongs to."""
    return Culprits(lambda: [(each.owner.plugin, path) for each in found for path in each.homes()])


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
