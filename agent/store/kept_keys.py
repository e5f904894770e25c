"""Keys that requests keep: the present one, and the next one, made ahead; each sealed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent.model.kept_key import KeptKey, KeyRole
from agent.store.connection import Connection
from agent.store.instants import read_known, written
from agent.store.sealing import Sealer

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

COLUMNS = "request, spki, public, role, since, renewals, reason"
UNNEEDED = timedelta(days=30)
"""Keys of a request that no module has any more are kept for so long: records in DNS may name them when it comes back."""


class KeptKeys:
    """The table `kept_keys`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def all(self) -> dict[str, tuple[KeptKey, ...]]:
        """Return every key, by request."""
        found: dict[str, tuple[KeptKey, ...]] = defaultdict(tuple)
        query = f"select {COLUMNS} from kept_keys order by request, role, spki"  # noqa: S608
        for each in self._database.decoded("kept_keys", _record, query):
            found[each.request] = (*found[each.request], each)
        return dict(found)

    def of(self, request: str) -> tuple[KeptKey, ...]:
        """Return the keys of a request."""
        query = f"select {COLUMNS} from kept_keys where request = ? order by role, spki"  # noqa: S608
        return tuple(self._database.decoded("kept_keys", _record, query, [request]))

    def load(self, kept: KeptKey) -> PrivateKey | None:
        """Return a key itself; None where it isn't there, or was given up. Raises `SealBroken`, `RowDamaged`, `ChainError`."""
        from agent.pki.key import load_known_key

        query = "select request, spki, sealed_key from kept_keys where request = ? and spki = ?"
        for row in self._database.checked("kept_keys", query, [kept.request, kept.spki]):
            if row["sealed_key"] is not None:
                return load_known_key(self._sealer.open(row["sealed_key"], _context(kept.request, kept.spki)))
        return None

    def add(self, request: str, key: PrivateKey, role: KeyRole, now: datetime) -> None:
        """Keep a key in place of the one that has its role. One that was given up stays that."""
        from agent.pki.key import key_pem, public_der, spki_sha256

        spki = spki_sha256(key.public_key())
        sealed = self._sealer.seal(key_pem(key), _context(request, spki))
        self._drop(request, role)
        self._database.execute(
            "insert or ignore into kept_keys (request, spki, public, role, sealed_key, since, renewals, reason)"
            " values (?, ?, ?, ?, ?, ?, 0, '')",
            [request, spki, public_der(key.public_key()), str(role), sealed, written(now)],
        )

    def delivered(self, request: str, spki: str, now: datetime, *, renewed: bool) -> None:
        """Note that a chain was made with a key. `renewed`: its source had made one with it before.

        With the next key, that becomes the present one. One that is not kept was a source's own choice: then there is no present
        one until a pass takes it over.
        """
        known = {each.spki: each for each in self.of(request)}
        role = known[spki].role if spki in known else None
        if role is KeyRole.PRESENT and renewed:
            self._database.execute(
                "update kept_keys set renewals = renewals + 1 where request = ? and spki = ?", [request, spki]
            )
        elif role is KeyRole.NEXT:
            self._drop(request, KeyRole.PRESENT)
            self._database.execute(
                "update kept_keys set role = ?, since = ?, renewals = 0 where request = ? and spki = ?",
                [str(KeyRole.PRESENT), written(now), request, spki],
            )
        elif role is None:
            self._drop(request, KeyRole.PRESENT)

    def give_up(self, request: str, spki: str, reason: str, now: datetime) -> None:
        """Never use a key again: what is left of it is that."""
        self._database.execute(
            "insert or replace into kept_keys (request, spki, public, role, sealed_key, since, renewals, reason)"
            " values (?, ?, x'', ?, null, ?, 0, ?)",
            [request, spki, str(KeyRole.GIVEN_UP), written(now), reason],
        )

    def forget_unneeded(self, needed: Collection[str], now: datetime) -> None:
        """Forget the keys of requests that nobody has needed for a month."""
        query = "select distinct request, unneeded_since from kept_keys"
        for request, since in self._database.execute(query).fetchall():
            if request in needed:
                at = None
            elif since is None:
                at = written(now)
            elif since < (written(now - UNNEEDED) or ""):
                self._database.execute("delete from kept_keys where request = ?", [request])
                continue
            else:
                continue
            if at != since:
                self._database.execute("update kept_keys set unneeded_since = ? where request = ?", [at, request])

    def _drop(self, request: str, role: KeyRole) -> None:
        self._database.execute("delete from kept_keys where request = ? and role = ?", [request, str(role)])


def _context(request: str, spki: str) -> str:
    return f"kept key {spki} of {request}"


def _record(row: dict[str, Any]) -> KeptKey:
    return KeptKey(
        request=row["request"],
        spki=row["spki"],
        public=row["public"],
        role=KeyRole(row["role"]),
        since=read_known(row["since"]),
        renewals=int(row["renewals"]),
        reason=row["reason"],
    )
