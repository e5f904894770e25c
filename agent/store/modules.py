"""Modules as the last pass saw them, their needs and bindings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors.problem import Problem
from agent.model.binding import Binding, LadderPosition
from agent.model.kept_key import KeyReuse
from agent.model.need import Need
from agent.pki.chain import KeyType, Purpose
from agent.store.connection import Connection
from agent.store.problems import read_problem, written_problem
from agent.store.values import mapping, words


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """One ``[modules.NAME]`` table, as the last pass saw it."""

    name: str
    plugin: str
    title: str
    enabled: bool
    services: tuple[str, ...]
    """Shared services that it is part of."""
    problem: Problem | None


class Modules:
    """The tables `modules`, `needs` and `bindings`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def put(self, records: Iterable[ModuleRecord]) -> None:
        """Keep the list of modules, in place of the last one."""
        self._database.execute("delete from modules")
        for record in records:
            self._database.table("modules").insert(
                {
                    "name": record.name,
                    "plugin": record.plugin,
                    "services": json.dumps(record.services),
                    "title": record.title,
                    "enabled": int(record.enabled),
                    "problem": written_problem(record.problem),
                }
            )

    def all(self) -> list[ModuleRecord]:
        """Return the modules in order of their names."""
        return self._database.decoded("modules", _module, "select * from modules order by name")

    def put_needs(self, needs: Sequence[Need]) -> None:
        """Keep the needs, in place of the last ones, if they differ."""
        if list(needs) == self.needs():
            return
        self._database.execute("delete from needs")
        rows = [{"module": need.module, "slot": need.slot, "need": _need_text(need)} for need in needs]
        self._database.table("needs").insert_all(rows)

    def needs(self, module: str = "") -> list[Need]:
        """Return the needs that were declared last, of one module or all."""
        where = "where module = ?" if module else ""
        query = f"select module, slot, need from needs {where} order by rowid"  # noqa: S608
        return self._database.decoded("needs", _need, query, [module] if module else [])

    def put_bindings(self, bindings: Iterable[Binding]) -> list[Binding]:
        """Keep the bindings, in place of the last ones. Return those whose chain changed."""
        before = {binding.key: binding for binding in self.bindings()}
        bindings = list(bindings)
        if before == {binding.key: binding for binding in bindings}:
            return []
        changed = [each for each in bindings if each.chain != getattr(before.get(each.key), "chain", None)]
        self._database.execute("delete from bindings")
        self._database.table("bindings").insert_all(
            {
                "module": binding.module,
                "slot": binding.slot,
                "chain": binding.chain,
                "reason": binding.reason,
                "standing": str(binding.standing),
            }
            for binding in bindings
        )
        return changed

    def bindings(self) -> list[Binding]:
        """Return the bindings in the order in which they were kept."""
        query = "select module, slot, chain, reason, standing from bindings order by rowid"
        return self._database.decoded("bindings", _binding, query)


def _binding(row: dict[str, Any]) -> Binding:
    return Binding(row["module"], row["slot"], row["chain"], row["reason"], LadderPosition(row["standing"]))


def _module(row: dict[str, Any]) -> ModuleRecord:
    return ModuleRecord(
        name=row["name"],
        plugin=row["plugin"],
        title=row["title"],
        enabled=bool(row["enabled"]),
        services=words(row["services"]),
        problem=read_problem(row["problem"]),
    )


def _need_text(need: Need) -> str:
    return json.dumps(
        {
            "names": need.names,
            "slot": need.slot,
            "key_types": need.key_types,
            "purpose": need.purpose,
            "sources": need.sources,
            "pin": need.pin,
            **({"lists_rsa": need.lists_rsa} if need.lists_rsa else {}),
            **({"tlsa": need.tlsa} if need.tlsa else {}),
            **({"mta_sts": need.mta_sts} if need.mta_sts else {}),
            **({"wildcards": need.wildcards} if need.wildcards else {}),
            **({"keep_key": [need.keep_key.renewals, need.keep_key.days]} if need.keep_key else {}),
        }
    )


def _need(row: dict[str, Any]) -> Need:
    values = mapping(row["need"])
    sources, pin = values["sources"], values["pin"]
    return Need(
        names=words(json.dumps(values["names"])),
        slot=row["slot"],
        key_types=tuple(KeyType(each) for each in values["key_types"]),
        purpose=Purpose(values["purpose"]),
        sources=words(json.dumps(sources)) if sources is not None else None,
        pin=None if pin is None else str(pin),
        lists_rsa=str(values.get("lists_rsa", "")),
        tlsa=words(json.dumps(values.get("tlsa", []))),
        mta_sts=words(json.dumps(values.get("mta_sts", []))),
        wildcards=words(json.dumps(values.get("wildcards", []))) or None,
        keep_key=_key_reuse(values.get("keep_key")),
        module=row["module"],
    )


def _key_reuse(value: Any) -> KeyReuse | None:
    if value is None:
        return None
    renewals, days = value
    return KeyReuse(None if renewals is None else int(renewals), None if days is None else int(days))
