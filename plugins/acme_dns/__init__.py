"""DNS records at an acme-dns server: a small DNS server that holds nothing but answers to challenges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainwright import DnsSolver, hookimpl

if TYPE_CHECKING:
    import click

    from chainwright import Appliance

api = 1


@hookimpl
def register_dns_solvers() -> list[type[DnsSolver]]:
    """Return the solver."""
    from plugins.acme_dns.solver import AcmeDns

    return [AcmeDns]


@hookimpl
def register_commands(commands: click.Group, appliance: Appliance) -> None:
    """Add what registers a name."""
    from plugins.acme_dns.commands import add_commands

    add_commands(commands, appliance)
