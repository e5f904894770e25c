"""What the commands of plugins get: the appliance, seen through a narrow window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent.cli.commands import Family, Invocation
from agent.errors.settings import SettingsRefused

if TYPE_CHECKING:
    from agent.chain import PeerCertificate
    from agent.plugins import PluginCommands


class CommandLineAppliance:
    """The `agent.Appliance` of a command line."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    def status(self) -> Mapping[str, Any]:
        """Return what ``chainwright status --json`` prints."""
        from agent.report import read_snapshot, report

        now = self._invocation.now()
        return report(read_snapshot(self._invocation.layout, now), now).to_json()

    def apply(self) -> int:
        """Run ``chainwright apply`` and return its exit code."""
        from agent.cli.apply import perform

        return perform(self._invocation)

    def sign(self, csr: bytes, names: Sequence[str], *, module: str, label: str) -> PeerCertificate:
        """Have the root sign a certificate for someone's PEM request (RFC 2986) and keep it under `module` and `label`.

        Raises `RootMissing`, `RequestInvalid`, `NameInvalid`, `StoreError`.
        """
        from agent.lifecycle.peers import sign

        return sign(self._invocation.layout, csr, names, module=module, label=label, now=self._invocation.now())


def plugin_commands(invocation: Invocation) -> list[PluginCommands]:
    """Return the commands of the plugins that the settings name; none while the settings can't be read."""
    from agent.plugins import Registry
    from agent.settings_files import read_settings
    from agent.settings_loading import wanted
    from agent.sources import BUILT_IN

    try:
        names = wanted(read_settings(invocation.layout))
    except SettingsRefused:
        return []
    registry = Registry.load(invocation.layout, names.enabled, builtin_sources=BUILT_IN)
    return registry.commands(Family, CommandLineAppliance(invocation))
