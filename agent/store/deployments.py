"""Generations, deployments, refusals and the transactions between them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.errors.problem import Problem
from agent.model.deployment import Deployment, Generation, ManifestFile, Outcome, Refusal, RefusedKind, Step
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.problems import read_problem, written_problem
from agent.store.read_cache import ReadCache
from agent.store.values import mapping, texts


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction that has not come to its end."""

    id: str
    job: str
    phase: str
    record: Mapping[str, Any]


class Deployments:
    """The tables `generations`, `contents`, `deployments`, `refusals` and `transactions`."""

    def __init__(self, database: Connection) -> None:
        self._database = database
        self._generations: ReadCache[Generation | None] = ReadCache(database)

    # Generations

    def next_number(self, owner: str) -> int:
        """Return a number that no generation of `owner` has had."""
        key = f"last generation of {owner}"
        number = max(self._counted(key), *self.numbers(owner), 0) + 1
        self._database.table("meta").upsert({"key": key, "value": str(number)}, pk="key")
        return number

    def raise_number(self, owner: str, least: int) -> None:
        """Have no generation of `owner` get a number up to `least`: a directory has it."""
        key = f"last generation of {owner}"
        if self._counted(key) < least:
            self._database.table("meta").upsert({"key": key, "value": str(least)}, pk="key")

    def put_generation(self, generation: Generation, texts: Mapping[str, str], now: datetime) -> None:
        """Keep a generation before its directory is made. `texts`: digest -> text with marks."""
        self._generations.forget()
        self._database.executemany("insert or ignore into contents (digest, text) values (?, ?)", texts.items())
        self._database.table("generations").upsert(
            {
                "owner": generation.owner,
                "number": generation.number,
                "digest": generation.digest,
                "chains": json.dumps(dict(generation.chains)),
                "manifest": json.dumps(
                    [
                        [file.to_json() for file in generation.files],
                        dict(generation.checksums),
                        dict(generation.made),
                    ],
                    separators=(",", ":"),
                ),
                "created_at": written(now),
            },
            pk=("owner", "number"),
        )

    def generation(self, owner: str, number: int) -> Generation | None:
        """Return one generation."""
        return self._generations.get((owner, number), lambda: self._read(owner, number))

    def _read(self, owner: str, number: int) -> Generation | None:
        query = "select * from generations where owner = ? and number = ?"
        return next(iter(self._database.decoded("generations", _generation, query, [owner, number])), None)

    def generations(self) -> list[Generation]:
        """Return every generation that is kept."""
        return self._database.decoded("generations", _generation, "select * from generations")

    def forget(self) -> None:
        """Read again what was remembered."""
        self._generations.forget()

    def numbers(self, owner: str) -> list[int]:
        """Return the numbers of the generations that are kept, oldest first."""
        query = "select number from generations where owner = ? and typeof(number) = 'integer' order by number"
        return [row[0] for row in self._database.execute(query, [owner])]

    def orphaned(self) -> list[tuple[str, int]]:
        """Return `(owner, number)` of each generation that holds the key of a chain that was deleted."""
        query = (
            "select distinct owner, number from generations,"
            " json_each(case when json_valid(chains) then chains else '{}' end)"
            " where json_each.value not in (select id from chains) and typeof(owner) = 'text' and typeof(number) = 'integer'"
        )
        return [(row[0], row[1]) for row in self._database.execute(query)]

    def owners(self) -> list[str]:
        """Return everyone who has a generation."""
        query = "select distinct owner, number from generations"
        return sorted(set(self._database.decoded("generations", lambda row: str(row["owner"]), query)))

    def drop_generation(self, owner: str, number: int) -> None:
        """Forget a generation whose directory is gone."""
        self._generations.forget()
        self._database.execute("delete from generations where owner = ? and number = ?", [owner, number])

    def texts(self, digests: Iterable[str]) -> dict[str, str]:
        """Return texts with marks by their digest."""
        found: dict[str, str] = {}
        for digest in digests:
            query = "select digest, text from contents where digest = ?"
            found.update(self._database.decoded("contents", lambda row: (row["digest"], row["text"]), query, [digest]))
        return found

    def drop_unused_texts(self) -> None:
        """Forget texts that no generation names any more."""
        self._database.execute(
            "delete from contents where digest not in (select json_extract(file.value, '$[5]') from generations,"
            " json_each(case when json_valid(manifest) then manifest else '[[]]' end, '$[0]') as file"
            " where json_extract(file.value, '$[5]') is not null)"
        )

    # Deployments

    def all(self) -> dict[str, Deployment]:
        """Return what is in service, by module."""
        found = self._database.decoded("deployments", _deployment, "select * from deployments")
        return {each.module: each for each in found}

    def of(self, module: str) -> Deployment | None:
        """Return what of one module is in service."""
        query = "select * from deployments where module = ?"
        return next(iter(self._database.decoded("deployments", _deployment, query, [module])), None)

    def live_chains(self) -> dict[str, dict[str, str]]:
        """Return, by module and slot, the id of the chain in the generation that is in service."""
        query = (
            "select module, owner, number, chains from deployments join generations"
            " on owner = 'module:' || module and number = generation"
        )
        return dict(self._database.decoded("generations", _chains, query))

    def put(self, deployment: Deployment) -> None:
        """Keep what became of an attempt."""
        self._database.table("deployments").upsert(
            {
                "module": deployment.module,
                "generation": deployment.generation,
                "outcome": str(deployment.outcome),
                "step": deployment.step,
                "problem": written_problem(deployment.problem),
                "inputs": deployment.inputs,
                "at": written(deployment.at),
                "attempts": deployment.attempts,
                "retry_at": written(deployment.retry_at),
                "tried_at": written(deployment.tried_at),
            },
            pk="module",
        )

    def drop(self, module: str) -> None:
        """Forget a module that is no longer configured."""
        for table in ("deployments", "refusals"):
            self._database.execute(f"delete from {table} where module = ?", [module])  # noqa: S608

    # Live entries of shared services

    def entry(self, service: str) -> int | None:
        """Return the number of the entry that a shared service reads."""
        return self._counted(f"entry of {service}") or None

    def _counted(self, key: str) -> int:
        """Return a remembered number; 0 where there is none, or the row is damaged."""
        query = "select key, value from meta where key = ?"
        return next(iter(self._database.decoded("meta", lambda row: int(row["value"]), query, [key])), 0)

    def put_entry(self, service: str, number: int | None) -> None:
        """Keep the number of the entry that a shared service reads."""
        key = f"entry of {service}"
        if number is None:
            self._database.execute("delete from meta where key = ?", [key])
        else:
            self._database.table("meta").upsert({"key": key, "value": str(number)}, pk="key")

    # Refusals

    def refusals(self) -> list[Refusal]:
        """Return every pair that was refused."""
        return self._database.decoded("refusals", _refusal, "select * from refusals order by module, slot")

    def refuse(self, refusal: Refusal) -> None:
        """Remember a pair that was refused."""
        self._database.table("refusals").upsert(
            {
                "module": refusal.module,
                "slot": refusal.slot,
                "kind": str(refusal.kind),
                "subject": refusal.subject,
                "problem": written_problem(refusal.problem),
                "attempts": refusal.attempts,
                "retry_at": written(refusal.retry_at),
                "tried_at": written(refusal.tried_at),
            },
            pk=("module", "slot", "kind", "subject"),
        )

    def forget_inputs(self, modules: Iterable[str]) -> None:
        """Have modules deployed again: what their files are made from has changed. Call inside `Store.write`."""
        query = "update deployments set inputs = '' where module = ?"
        self._database.executemany(query, [[each] for each in modules])

    def reset_backoff(self, but: Sequence[str], now: datetime) -> None:
        """Let what was refused or rolled back be tried again at `now`, unless its problem has one of these codes."""
        marks = ", ".join("?" for _ in but)
        for table in ("refusals", "deployments"):
            self._database.execute(
                f"update {table} set retry_at = ? where retry_at > ?"  # noqa: S608
                f" and json_valid(problem) and json_extract(problem, '$.code') not in ({marks})",
                [written(now), written(now), *but],
            )

    def try_again(self, code: str, now: datetime) -> None:
        """Let modules be tried again at `now` whose problem has this code."""
        self._database.execute(
            "update deployments set retry_at = ? where retry_at > ?"
            " and json_valid(problem) and json_extract(problem, '$.code') = ?",
            [written(now), written(now), code],
        )

    def accept(self, module: str, subjects: Iterable[str]) -> None:
        """Forget refusals of what is in service now."""
        for subject in subjects:
            self._database.execute("delete from refusals where module = ? and subject = ?", [module, subject])

    def forget_refusals(self, module: str, codes: Iterable[str]) -> None:
        """Forget refusals of a module whose problem has one of these codes."""
        for refusal in self.refusals():
            if refusal.module == module and refusal.problem.code in codes:
                self.accept(module, [refusal.subject])

    def drop_stale_refusals(self, module: str, wanted: Iterable[str]) -> None:
        """Forget refusals of what nobody asks for any more."""
        wanted = set(wanted)
        for refusal in self.refusals():
            if refusal.module == module and refusal.subject not in wanted:
                self.accept(module, [refusal.subject])

    # Transactions

    def transactions(self) -> list[TransactionRow]:
        """Return the transactions that have not come to their end."""
        query = "select id, job, phase, record from transactions order by started_at"
        return self._database.decoded("transactions", _transaction, query)

    def put_transaction(self, row: TransactionRow, now: datetime) -> None:
        """Keep how far a transaction is, before its next side effect."""
        self._database.table("transactions").upsert(
            {
                "id": row.id,
                "job": row.job,
                "phase": row.phase,
                "record": json.dumps(dict(row.record)),
                "started_at": written(now),
            },
            pk="id",
        )

    def end_transaction(self, transaction_id: str) -> None:
        """Forget a transaction that has come to its end."""
        self._database.execute("delete from transactions where id = ?", [transaction_id])


def _transaction(row: dict[str, Any]) -> TransactionRow:
    return TransactionRow(row["id"], row["job"], Step(row["phase"]), mapping(row["record"]))


def _chains(row: dict[str, Any]) -> tuple[str, dict[str, str]]:
    return row["module"], texts(row["chains"])


def _refusal(row: dict[str, Any]) -> Refusal:
    return Refusal(
        module=row["module"],
        slot=row["slot"],
        kind=RefusedKind(row["kind"]),
        subject=row["subject"],
        problem=read_problem(row["problem"]) or Problem("", ""),
        attempts=int(row["attempts"]),
        retry_at=read_known(row["retry_at"]),
        tried_at=read(row["tried_at"]),
    )


def _generation(row: dict[str, Any]) -> Generation:
    files, checksums, *more = json.loads(row["manifest"])
    made = more[0] if more else {}  # an earlier version has not noted it
    return Generation(
        owner=row["owner"],
        number=row["number"],
        files=tuple(ManifestFile.from_json(file) for file in files),
        chains=texts(row["chains"]),
        digest=row["digest"],
        checksums=checksums,
        made={path: (mode, user, group) for path, (mode, user, group) in made.items()},
    )


def _deployment(row: dict[str, Any]) -> Deployment:
    return Deployment(
        module=row["module"],
        generation=row["generation"],
        outcome=Outcome(row["outcome"]),
        step=row["step"] or "",
        problem=read_problem(row["problem"]),
        inputs=row["inputs"] or "",
        at=read(row["at"]),
        attempts=int(row["attempts"] or 0),
        retry_at=read(row["retry_at"]),
        tried_at=read(row["tried_at"]),
    )
