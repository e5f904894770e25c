"""IKEv2 on strongSwan: road warriors, and connections between sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainwright import hookimpl

if TYPE_CHECKING:
    import click

    from chainwright import Appliance, Module, Service

# Its programs are part of this package, and must be there at once: heavy modules are imported where they are used.


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
