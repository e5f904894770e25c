"""DNS solvers of the settings, asked through the guard: what one does costs the order that it is asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from agent.contract.dns_solver import DnsContext, DnsSolver, TxtRecord
from agent.contract.fields import digest_of_settings
from agent.errors import AgentError, SourceError
from agent.errors.dns import SolverCrashed, SolverHangs
from agent.errors.plugin import PluginHangs
from agent.registry.guard import Asked, Guard, PluginFailed
from agent.registry.places import place_of_code
from agent.registry.raised_errors import check_error

CHECK_SECONDS = 30.0
"""For what a solver says without the network."""
ALL_OR_EACH = ("present", "clean_up")
NO_EFFECT = "Other solvers, and orders that need none, go on."


@dataclass(frozen=True, slots=True, repr=False)
class DnsHandle:
    """A ``[dns.NAME]`` table with its solver."""

    name: str
    """NAME."""
    plugin: str
    """Name of the solver's class: `DnsSolver.name`."""
    solver: DnsSolver
    zones: tuple[str, ...] = ()
    """Zones that it serves, canonical; none: every one."""
    servers: tuple[tuple[str, int], ...] = ()
    """Addresses and ports of those that are asked whether a record is there; none: the zone's own."""
    timeout: float = DnsSolver.timeout
    """Seconds for one call."""
    guard: Guard = field(default_factory=Guard, compare=False)

    def __repr__(self) -> str:
        return f"DnsHandle({self.name})"

    @property
    def table(self) -> str:
        """The table as it is written in a file."""
        return f"[dns.{self.name}]"

    @property
    def digest(self) -> str:
        """SHA-256 of its settings, those of the core too."""
        told = [digest_of_settings(self.solver), self.plugin, self.zones, self.servers, self.timeout]
        return sha256(json.dumps(told).encode()).hexdigest()

    def zone_of(self, name: str) -> str | None:
        """Return the longest of its zones that holds `name`: empty where it serves every one; None: it doesn't serve it."""
        return max((zone for zone in self.zones or ("",) if is_within(name, zone)), key=len, default=None)

    def check(self, record: TxtRecord, context: DnsContext) -> None:
        """Have it say what it lacks for a record. Raises `SourceError`."""
        self._call("check_record", (record,), lambda: self.solver.check_record(record, context), most=CHECK_SECONDS)

    def present(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Have records of one zone made. Raises `SourceError`."""
        given = tuple(records)  # a solver may do what it likes with a list
        self._call("present", given, lambda: self.solver.present_all(given, context))

    def clean_up(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Have records of one zone removed. Raises `SourceError`."""
        given = tuple(records)
        self._call("clean_up", given, lambda: self.solver.clean_up_all(given, context))

    def _call(
        self, method: str, records: Sequence[TxtRecord], work: Callable[[], None], most: float = math.inf
    ) -> None:
        kind, domains = type(self.solver), sorted({each.domain for each in records})
        hook = method_of(kind, method) if method in ALL_OR_EACH else method
        asked = Asked(self.guard.plugin_of(kind), hook, self.table, NO_EFFECT)
        try:  # apart: one that hangs is asked again by the next order
            self.guard.apart().call(asked, lambda: _checked(work), contract=(AgentError,), most=min(most, self.timeout))
        except SourceError as error:
            error.where = ", ".join(dict.fromkeys(filter(None, (self.table, error.problem.where))))
            raise
        except PluginHangs as error:
            raise SolverHangs(domains, self.table, error.plugin, hook, error.seconds, error.place) from error
        except PluginFailed as failed:
            place = failed.place or place_of_code(getattr(kind, hook, None), failed.error)
            raise SolverCrashed(domains, self.table, failed.plugin, hook, failed.error, place) from failed
        except AgentError as error:
            raise SolverCrashed(domains, self.table, asked.plugin, hook, error) from error


def _checked(work: Callable[[], None]) -> None:
    """Have a solver asked. Raises what it raises, or what of that can't be worked with."""
    try:
        work()
    except SourceError as error:
        check_error(error)
        raise


def method_of(kind: type[DnsSolver], method: str) -> str:
    """Return what a class overrides of ``present`` or ``clean_up``: the one for all records, or the one for each."""
    of_all = f"{method}_all"
    return method if getattr(kind, of_all) is getattr(DnsSolver, of_all) else of_all


def is_within(name: str, zone: str) -> bool:
    """Whether a name is a zone's or below it; every name is within the empty one."""
    return not zone or name == zone or name.endswith(f".{zone}")


def solver_for(name: str, solvers: Iterable[DnsHandle]) -> DnsHandle | None:
    """Return the solver whose zone is the longest that holds a name; None: nobody serves it."""
    found = [(zone, each) for each in solvers if (zone := each.zone_of(name)) is not None]
    return max(found, key=lambda pair: len(pair[0]))[1] if found else None


def dns_zones(solvers: Iterable[DnsHandle]) -> tuple[str, ...]:
    """Return the zones that solvers serve; an empty text: every zone."""
    return tuple(sorted({zone for each in solvers for zone in each.zones or ("",)}))
