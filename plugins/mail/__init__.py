"""Mail: a main name and further domains, served by postfix and dovecot with the same chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainwright import Module, Service, hookimpl
from plugins.mail.dovecot import Dovecot
from plugins.mail.module import Mail
from plugins.mail.postfix import Postfix

if TYPE_CHECKING:
    import click

    from chainwright import Appliance

__all__ = ["Dovecot", "Mail", "Postfix"]


@hookimpl
def register_modules() -> list[type[Module]]:
    """Return mail."""
    return [Mail]


@hookimpl
def register_services() -> list[type[Service]]:
    """Return its two daemons."""
    return [Postfix, Dovecot]


@hookimpl
def register_commands(commands: click.Group, appliance: Appliance) -> None:
    """Add what prints records for DNS."""
    from plugins.mail.commands import add_commands

    add_commands(commands, appliance)
