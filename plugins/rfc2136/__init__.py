"""DNS solver for servers that take dynamic updates (RFC 2136), signed with a shared key (TSIG, RFC 8945)."""

from chainwright import hookimpl
from plugins.rfc2136.solver import Rfc2136

api = 1


@hookimpl
def register_dns_solvers() -> list[type[Rfc2136]]:
    """Offer the solver."""
    return [Rfc2136]
