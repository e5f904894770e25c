"""Tables of DNS solvers: which zones each serves, and what of it is the plugin's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agent.config.files import SettingsKey
from agent.config.problems import unknown
from agent.config.settings import SolverEntry
from agent.config.table_validation import InstanceHeader, TableValidation, part
from agent.config.wanted_plugins import tables_of
from agent.contract.dns_solver import DnsSolver
from agent.contract.fields import Host, Resolvers
from agent.contract.validators import first_repeated
from agent.registry.contract_checks import NAME, NAME_RULE, SOLVER_KEYS
from agent.registry.dns_solvers import DnsHandle
from agent.system.names import is_address

WORD = "DNS solver"


def _zone(name: str) -> str:
    if is_address(name):
        raise ValueError("must be the name of a zone, not an address")
    return name


def _different(zones: tuple[str, ...]) -> tuple[str, ...]:
    if (twice := first_repeated(zones)) is not None:
        raise ValueError(f'names "{twice}" twice')
    return zones


def digest_of_solvers(entries: Mapping[str, SolverEntry]) -> str:
    """Return a SHA-256 of all tables that are in use; empty: there are none."""
    found = {name: each.handle.digest for name, each in sorted(entries.items()) if each.handle}
    return sha256(json.dumps(found).encode()).hexdigest() if found else ""


class SolverHeader(InstanceHeader):
    """Keys of the core in ``[dns.NAME]``."""

    zones: Annotated[tuple[Annotated[Host, AfterValidator(_zone)], ...], AfterValidator(_different)] = ()
    check_servers: Resolvers = ()
    timeout: float | None = Field(None, gt=0, le=600, allow_inf_nan=False)


class SolverTables:
    """Tables ``[dns.NAME]`` of one tree."""

    def __init__(self, tables: TableValidation) -> None:
        self._tables = tables

    def solvers(self) -> dict[str, SolverEntry]:
        """Return what the tables configure, sorted by name."""
        tables = sorted(tables_of(self._tables.tree, "dns").items())
        entries = {name: self._solver(name, table) for name, table in tables if isinstance(table, dict)}
        found = {name: entry for name, entry in entries.items() if entry}
        self._refuse_shared_zones(found)
        return found

    def _solver(self, name: str, table: Mapping[str, Any]) -> SolverEntry | None:
        key: SettingsKey = ("dns", name)
        if not NAME.fullmatch(name):
            self._tables.note(key, f"the name of a table of a {WORD} {NAME_RULE}")
        header = self._tables.validate(SolverHeader, key, part(table, SOLVER_KEYS))
        if header is None:
            return None
        plugin = header.plugin or name
        kind = self._tables.registry.dns_solvers.get(plugin)
        if not header.enabled:
            return SolverEntry(plugin, enabled=False)
        if kind is None:
            self._note_unknown(key, plugin, is_named=header.plugin is not None)
            return None
        made = self._tables.instance(key, kind, part(table, set(table) - SOLVER_KEYS), SOLVER_KEYS)
        return SolverEntry(plugin, enabled=True, handle=self._handle(name, header, made)) if made else None

    def _note_unknown(self, key: SettingsKey, plugin: str, *, is_named: bool) -> None:
        """Note a plugin that has no solver. Plugins that no table names aren't loaded: which of them have one isn't known."""
        if self._tables.missing(key, WORD, plugin):
            return
        cure = "" if is_named else ': say whose solver it is, for example plugin = "rfc2136"'
        installed = {each.name for each in self._tables.registry.plugins}
        cause = unknown(f'no {WORD} is named "{plugin}"{cure}', plugin, installed - {plugin}, "installed plugins")
        self._tables.note((*key, "plugin") if is_named else key, cause)

    def _handle(self, name: str, header: SolverHeader, solver: DnsSolver) -> DnsHandle:
        timeout = header.timeout or float(type(solver).timeout)
        servers = tuple((each.host, each.port) for each in header.check_servers)
        return DnsHandle(name, type(solver).name, solver, header.zones, servers, timeout, self._tables.guard)

    def _refuse_shared_zones(self, entries: Mapping[str, SolverEntry]) -> None:
        """Note a zone that two tables serve: which of them is asked would be chance."""
        served: dict[str, str] = {}
        for name, entry in entries.items():
            for zone in (entry.handle.zones or ("",)) if entry.handle else ():
                first = served.setdefault(zone, name)
                if first != name and zone:
                    self._tables.note(("dns", name, "zones"), f'names "{zone}", which [dns.{first}] serves')
                elif first != name:
                    cause = f"serves every zone, as [dns.{first}] does: name the zones of one of them"
                    self._tables.note(("dns", name), cause)
