"""A DNS solver could not make or remove a record: by what helps. Plugins raise these, or derive their own from them."""

from __future__ import annotations

from agent.errors.source import SourceError


class DnsSolverError(SourceError):
    """A DNS solver failed. Raised as it is, it's tried again with pauses that grow from a minute to a day."""

    code = "source.dns_solver"


class SolverMisconfigured(DnsSolverError):
    """Its settings are wrong: it isn't tried again before a ``[dns.NAME]`` table changes, and then at once."""

    code = "source.dns_solver_misconfigured"


class SolverRefused(DnsSolverError):
    """Somebody says no, or something is missing that only a person brings about: it's tried again after a day.

    Where a ``[dns.NAME]`` table changes, at once.
    """

    code = "source.dns_solver_refused"


class SolverUnreachable(DnsSolverError):
    """Who is to make the record doesn't answer: it's tried again as soon as any failure that may pass by itself."""

    code = "source.dns_solver_unreachable"
