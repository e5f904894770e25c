"""Mail: a main name and further domains, served by postfix and dovecot with the same chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainwright import hookimpl

if TYPE_CHECKING:
    import click

    from chainwright import Appliance, Module, Service

# Its programs are part of this package, and must be there at once: heavy modules are imported where they are used.


@hookimpl
def register_modules() -> list[type[Module]]:
    """Return mail."""
    from plugins.mail.module import Mail

    return [Mail]


@hookimpl
def register_services() -> list[type[Service]]:
    """Return its two daemons."""
    from plugins.mail.dovecot import Dovecot
    from plugins.mail.postfix import Postfix

    return [Postfix, Dovecot]


@hookimpl
def register_commands(commands: click.Group, appliance: Appliance) -> None:
    """Add what prints records for DNS."""
    from plugins.mail.commands import add_commands

    add_commands(commands, appliance)
