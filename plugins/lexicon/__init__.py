"""DNS records made by dns-lexicon, a library that knows many DNS services: ``pip install chainwright[lexicon]``."""

from __future__ import annotations

from chainwright import DnsSolver, hookimpl

api = 1


@hookimpl
def register_dns_solvers() -> list[type[DnsSolver]]:
    """Return the solver."""
    from plugins.lexicon.solver import LexiconSolver

    return [LexiconSolver]
