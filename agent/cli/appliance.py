"""The appliance as commands of plugins see it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from agent.cli.commands import CommandGroup, Invocation
from agent.errors.settings import SettingsRefused
from agent.pki.chain import Purpose
from agent.pki.encoding import Part
from agent.pki.revocation import RevocationReason
from agent.store import Store

if TYPE_CHECKING:
    from datetime import datetime

    from agent.model.peer import Peer
    from agent.model.tlsa import TlsaRow
    from agent.pki.chain import PeerCertificate
    from agent.registry.registration import PluginCommands


class CommandLineAppliance:
    """The `chainwright.Appliance` of a command line."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    def now(self) -> datetime:
        """Return the present instant, UTC, as far as the machine's clock is believed."""
        return self._invocation.now()

    def status(self) -> Mapping[str, Any]:
        """Return what ``chainwright status --json`` prints."""
        from agent.report import read_snapshot, report

        now = self._invocation.now()
        return report(read_snapshot(self._invocation.layout, now), now).to_json()

    def apply(self) -> int:
        """Run ``chainwright apply`` and return its exit code."""
        from agent.cli.apply import perform

        return perform(self._invocation)

    def answer(self, data: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print `data` where ``--json`` is asked for, else `lines`."""
        from agent.cli.output import print_json

        if self._invocation.as_json:
            print_json(data)
            return
        for line in lines:
            click.echo(line)

    def tlsa(self, *, module: str) -> list[TlsaRow]:
        """Return the TLSA records of a module's keys. Raises `StoreError`."""
        from agent.report.dane import tlsa_rows

        with Store.open_existing(self._invocation.layout) as store:
            return list(tlsa_rows(store, store.modules.needs(module)))

    def sign(
        self,
        csr: bytes,
        names: Sequence[str],
        *,
        module: str,
        label: str,
        purposes: Collection[Purpose] = (Purpose.SERVER,),
    ) -> PeerCertificate:
        """Have the root sign a certificate for someone's PEM request (RFC 2986) and keep it under `module` and `label`.

        Raises `RootMissing`, `RequestInvalid`, `NameInvalid`, `StoreError`.
        """
        from agent.operations.peers import sign

        now = self._invocation.now()
        actor, layout = self._invocation.actor(), self._invocation.layout
        return sign(layout, csr, names, module=module, label=label, purposes=purposes, now=now, actor=actor)

    def peers(self, *, module: str) -> list[Peer]:
        """Return every peer certificate of a module: by label, the newest first."""
        with Store.open_existing(self._invocation.layout) as store:
            return [each for each in store.peers.all() if each.module == module]

    def export(self, serial: str, *, module: str, parts: Sequence[Part] = (Part.FULLCHAIN,)) -> bytes:
        """Return parts of a peer certificate's path as PEM. Raises `PeerUnknown`, `NotEncodable`."""
        from agent.operations.peers import export_peer, find_peer

        with Store.open_existing(self._invocation.layout) as store:
            return export_peer(store, find_peer(store, serial, module), parts)

    def revoke(
        self, serial: str, *, module: str, reason: RevocationReason = RevocationReason.UNSPECIFIED
    ) -> list[Peer]:
        """Revoke a peer certificate, and those that it has replaced. Raises `PeerUnknown`, `RevokedBefore`."""
        from agent.operations.peers import find_peer, revoke_peer

        with self._invocation.locked_state(module) as state:
            return revoke_peer(state, find_peer(state.store, serial, module), RevocationReason(reason))


def plugin_commands(invocation: Invocation) -> list[PluginCommands]:
    """Return the commands of the plugins that the settings name; none while the settings can't be read."""
    from agent.config.files import read_settings
    from agent.config.wanted_plugins import wanted
    from agent.registry.plugins import Registry
    from agent.sources import BUILT_IN

    try:
        names = wanted(read_settings(invocation.layout))
    except SettingsRefused:
        return []
    registry = Registry.load(invocation.layout, names.enabled, builtin_sources=BUILT_IN)
    return registry.commands(CommandGroup, CommandLineAppliance(invocation))
