"""Undoing of interrupted transactions by their records alone: no plugin, no setting and no service is asked."""

from __future__ import annotations

from datetime import datetime

from agent.deploy.record import TransactionRecord
from agent.deploy.renames import undone
from agent.errors.damage import NotPutBack
from agent.store import Store
from agent.store.connection import UNDECODABLE
from agent.store.deployments import TransactionRow
from agent.store.served_chains import note_undone


def undo_interrupted(store: Store, now: datetime) -> list[str]:
    """Undo what can be undone wholly, and return the modules. The rest is left for who can say what stands in the way."""
    return [module for row in store.deployments.transactions() for module in _undo(store, row, now)]


def _undo(store: Store, row: TransactionRow, now: datetime) -> list[str]:
    try:
        record = TransactionRecord.from_json(row.id, row.job, row.record)
    except UNDECODABLE:
        return []
    if undone(record.renames):
        return []
    with store.write():
        for service, move in record.entries.items():
            store.deployments.put_entry(service, move.old)
        store.deployments.end_transaction(record.id)
        store.deployments.try_again(NotPutBack.code, now)
    note_undone(store, record.moved)
    return [*record.moved, *record.retired]
