"""Integrity of the database: whether SQLite can read it wholly, whether each row can be decoded, and what is made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors import AgentError
from agent.store.connection import DamagedRow
from agent.store.full_disk import is_for_lack_of_room
from agent.store.instants import written
from agent.store.schema import KEYS, MADE_AGAIN

if TYPE_CHECKING:
    from agent.store.database import Store

ELSEWHERE = frozenset(
    {"audit_repeats", "audits", "contents", "ledger", "login_failures", "memories", "meta", "people", "tokens"}
)
"""Tables that are read in parts, or by others than the store itself."""
HEADING = "*** in database main ***\n"
MOST = 20
"""Lines of SQLite's own check that are kept."""


def is_made_again(row: DamagedRow) -> bool:
    """Whether a pass drops a damaged row: what it tells is found out, made or asked for again."""
    return row.table in MADE_AGAIN


def read_all(store: Store) -> None:
    """Decode every row again: those that can't be are in `Connection.damaged` afterwards, and no others."""
    store.forget()
    for key in [key for key in store.database.damaged if key[0] not in ELSEWHERE]:
        del store.database.damaged[key]
    for read in _readers(store):
        read()


def _readers(store: Store) -> Iterator[Callable[[], object]]:
    yield from (store.roots.all, store.roots.crosses, store.chains.records)
    yield from (store.peers.all, store.peers.held_back, store.peers.problems)
    yield from (store.revocations.all, store.revocations.lists, store.orders.records, store.orders.reissues)
    yield from (store.account_keys.all, store.watches.all, store.failing.all, store.modules.all, store.modules.needs)
    yield from (store.modules.bindings, store.deployments.all, store.deployments.generations)
    yield from (store.deployments.refusals, store.deployments.transactions, store.endpoints.all, store.conditions.all)
    yield from (store.footprints.read_all, store.pins.all, store.resolved.all, store.set_aside.all, store.kept_keys.all)
    yield from (store.tlsa.all, store.persistent.all)
    yield from (lambda: store.jobs.newest(-1), lambda: store.journal.since(limit=-1))


def quick_check(store: Store) -> str:
    """Return what SQLite says of a file that it can't read wholly; empty: all is well."""
    try:
        lines = [str(row[0]) for row in store.database.execute(f"PRAGMA quick_check({MOST})")]
    except sqlite3.DatabaseError as error:
        # A full disk is told of where something can't be stored, and as a finding of its own.
        return "" if is_for_lack_of_room(error, store.layout.database) else str(error)
    return "" if lines == ["ok"] else "\n".join(lines)


def first_fault(output: str) -> str:
    """Return the first thing that SQLite has found, of all that it says, as a clause."""
    return output.removeprefix(HEADING).partition("\n")[0].rstrip(".")


def mend(store: Store, rows: Iterable[DamagedRow], now: datetime) -> list[DamagedRow]:
    """Mend the rows that can be mended, and return them. Call inside `Store.write`.

    What is made again is dropped; what can be read out of the certificates of a chain or a root is. What a row was is set aside.
    """
    mended = []
    for row in rows:
        contents = store.set_aside.contents(row)
        if _mend(store, row, now):
            store.set_aside.keep(row, contents, now)
            store.database.damaged.pop((row.table, row.key), None)
            mended.append(row)
    store.forget()
    return mended


def _mend(store: Store, row: DamagedRow, now: datetime) -> bool:
    try:
        if row.table == "chains":
            return _mend_chain(store, row.key[0], now)
        if row.table == "roots":
            return _mend_root(store, row.key[0], now)
    except (AgentError, ValueError, TypeError):  # its certificates or its key are damaged, too
        return False
    if row.table == "generations":
        return _empty_generation(store, row)
    if row.table == "endpoints":
        return _look_again(store, row, now)
    if row.table == "footprints":
        _deploy_again(store, row.key[0])
    return is_made_again(row) and _drop(store, row)


def _mend_chain(store: Store, chain_id: str, now: datetime) -> bool:
    chain = store.chains.load(chain_id)
    if chain is None or chain.id != chain_id:
        return False
    query = "select source, request, root, origin, revoked_at from chains where id = ?"
    kept = next(store.database.query(query, [chain_id]))
    of = {name: kept[name] for name in ("source", "request", "root")}
    store.chains.add(chain, now=now, origin=kept["origin"] or "", **of)
    if kept["revoked_at"] is not None:
        store.chains.revoke(chain_id, now)
    return True


def _mend_root(store: Store, sha256: str, now: datetime) -> bool:
    root = store.roots.load(sha256)
    if root is None or root.sha256 != sha256:
        return False
    store.database.execute(
        "update roots set subject = ?, not_before = ?, not_after = ?, created_at = ?, retires_at = null,"
        " replaced_at = case when replaced_at is null then null else ? end,"
        " retired_at = case when retired_at is null then null else ? end,"
        " signs_at = case prepared when 1 then ? else null end,"
        " key_type = ?, beside = case beside when 1 then 1 else 0 end where sha256 = ?",
        [
            root.subject,
            *map(written, (root.not_before, root.not_after, root.not_before, now, now, now)),
            *(str(root.key_type), sha256),
        ],
    )
    return True


def _empty_generation(store: Store, row: DamagedRow) -> bool:
    """Forget what a generation holds: its directory is there until the next one takes its place."""
    store.database.execute(
        "update generations set manifest = '[[], {}]', chains = '{}', digest = '' where owner is ? and number is ?",
        row.key,
    )
    _deploy_again(store, row.key[0])
    return True


def _look_again(store: Store, row: DamagedRow, now: datetime) -> bool:
    """Forget what was seen at an endpoint: without its row, nothing would say when to look."""
    query = "update endpoints set problem = null, checked_at = null, next_at = ? where module is ? and key is ?"
    store.database.execute(query, [written(now), *row.key])
    return True


def _deploy_again(store: Store, owner: str) -> None:
    store.database.execute("update deployments set inputs = '' where 'module:' || module = ?", [owner])


def _drop(store: Store, row: DamagedRow) -> bool:
    where = " and ".join(f"{column} is ?" for column in KEYS[row.table])
    store.database.execute(f"delete from {row.table} where {where}", row.key)  # noqa: S608 - names of this file's own
    return True
