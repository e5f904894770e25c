"""IKEv2: road warriors, and connections between head office and branches, on strongSwan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainwright import hookimpl

if TYPE_CHECKING:
    import click

    from chainwright import Appliance, Module, Service

# Its programs are part of this package, and must be there at once: what is heavy is imported by who asks for it.


@hookimpl
def register_modules() -> list[type[Module]]:
    """Return the module."""
    from plugins.ikev2.module import IKEv2

    return [IKEv2]


@hookimpl
def register_services() -> list[type[Service]]:
    """Return its daemon."""
    from plugins.ikev2.service import StrongSwan

    return [StrongSwan]


@hookimpl
def register_commands(commands: click.Group, appliance: Appliance) -> None:
    """Add what signs the requests of branches."""
    from plugins.ikev2.commands import add_commands

    add_commands(commands, appliance)
