"""DNS records made by commands: those of the administrator, and those that lego, certbot and acme.sh have hundreds of."""

from __future__ import annotations

from chainwright import DnsSolver, hookimpl

api = 1


@hookimpl
def register_dns_solvers() -> list[type[DnsSolver]]:
    """Return the solver."""
    from plugins.dns_command.solver import CommandSolver

    return [CommandSolver]
