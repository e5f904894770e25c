"""Keys of chains that the database can't open any more, and that what is in service still has: they are sealed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from agent.errors.base import AgentError
from agent.store.connection import DamagedRow
from agent.store.served_chains import contents_in_service, served_rows

if TYPE_CHECKING:
    from agent.store.database import Store

LARGEST = 1024 * 1024
"""Bytes of a file that may hold a key."""


def mend_keys(store: Store) -> list[DamagedRow]:
    """Seal again what can be found, and note the others as damaged; return those that were mended. Call inside `Store.write`."""
    broken = store.chains.unopened()
    if not broken:
        return []
    kept = {row["id"]: row["sealed_key"] for row in served_rows(store.layout)}
    mended = [each for each in broken if each in kept and store.chains.put_sealed(each, kept[each])]
    left = [each for each in broken if each not in mended]
    keys = dict(_keys(store)) if left else {}
    mended += [each for each in left if store.chains.put_key(each, keys)]
    rows = {each: DamagedRow("chains", (each,), "its key can't be opened") for each in broken}
    store.database.damaged |= {("chains", each.key): each for name, each in rows.items() if name not in mended}
    return [rows[each] for each in mended]


def _keys(store: Store) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys in the files of generations in service: public key (SubjectPublicKeyInfo, DER), key in PEM."""
    from agent.pki.key import key_pem, load_key, public_der
    from agent.pki.pem import key_blocks

    for content in contents_in_service(store.layout, LARGEST):
        for block in key_blocks(content):
            with suppress(AgentError, ValueError, TypeError):
                key = load_key(block)
                yield public_der(key.public_key()), key_pem(key)
