"""Policies that can't be loaded: what they governed when they worked last is refused, as it is where one raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from agent.errors.plugin import PluginError, PolicyMissing
from agent.registry.life_hooks import SWITCHING, hooks_of
from agent.registry.plugin_record import PluginRecord

PLACES = ("place", "path", "origin")
"""Attributes of an error that tell where a plugin is, the most exact first."""


class MissingPolicy(NamedTuple):
    """Policy that is enabled and can't be used."""

    plugin: str
    hooks: tuple[str, ...]
    """Those that it wrapped when it worked last."""
    error: PluginError
    """Why it can't be used."""

    def withholds(self, kind: type) -> bool:
        """Whether nothing of a module or service of this class is switched: it wrapped a hook that has a say in that.

        One that only wrapped the probes would else be missed when everything is switched already.
        """
        return any(each in SWITCHING for each in self.hooks if each in hooks_of(kind))

    def refusal(self, subject: str) -> PolicyMissing:
        """Return why a subject is neither asked nor switched. Its cause is the same for all of them."""
        place = next((found for each in PLACES if (found := getattr(self.error, each, ""))), "")
        return PolicyMissing(subject, self.plugin, self.hooks, self.error.problem.cause, place)


def missing_policies(
    known: Mapping[str, Sequence[str]], plugins: Iterable[PluginRecord], failures: Mapping[str, PluginError]
) -> list[MissingPolicy]:
    """Return those of the `known` policies that are enabled and can't be used.

    `known`: plugin -> hooks that it wrapped when it worked last. `failures`: tables of the settings that can't be used.
    """
    found = []
    for each in plugins:
        error = failures.get(f"plugins.{each.name}") or (each.errors[0] if each.errors and not each.plugin else None)
        if each.enabled and error and known.get(each.name):
            found.append(MissingPolicy(each.name, tuple(known[each.name]), error))
    return found
