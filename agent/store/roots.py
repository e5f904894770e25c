"""Own roots: the present one signs, those before it are kept and listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.pki.authority import Root
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.sealing import Sealer
from agent.system.writing import replace

COLUMNS = "sha256, subject, not_before, not_after, certificates, created_at, retired_at"


@dataclass(frozen=True, slots=True)
class RootRecord:
    """A root as far as it is known without being opened."""

    sha256: str
    subject: str
    not_before: datetime
    not_after: datetime
    certificates: str
    """PEM: the root's certificate, then its parents."""
    created_at: datetime
    retired_at: datetime | None


class Roots:
    """The table `roots`, and a sealed copy of each key as a file for the day on which the database is lost."""

    def __init__(self, database: Connection, sealer: Sealer, private: Path) -> None:
        self._database = database
        self._sealer = sealer
        self._private = private

    def add(self, root: Root, now: datetime) -> None:
        """Keep `root` as the present one; the one before it is retired. Call inside `Store.write`."""
        sealed = self._sealer.seal(root.key_pem(), _context(root.sha256))
        replace(self._private / f"root-{root.sha256[:16]}.sealed", sealed, mode=0o600)
        replace(self._private / f"root-{root.sha256[:16]}.pem", root.pem(), mode=0o600)
        self._database.execute("update roots set retired_at = ? where retired_at is null", [written(now)])
        self._database.table("roots").insert(
            {
                "sha256": root.sha256,
                "subject": root.subject,
                "not_before": written(root.not_before),
                "not_after": written(root.not_after),
                "certificates": root.pem().decode(),
                "sealed_key": sealed,
                "created_at": written(now),
                "retired_at": None,
            },
            replace=True,
        )

    def present(self) -> RootRecord | None:
        """Return what is known of the root that signs; None before the first one."""
        return next((record for record in self.all() if record.retired_at is None), None)

    def all(self) -> list[RootRecord]:
        """Return every root, the newest first."""
        query = f"select {COLUMNS} from roots order by created_at desc"  # noqa: S608
        return self._database.decoded("roots", _record, query)

    def newest_ids(self) -> list[str]:
        """Return the fingerprints of a few roots, the newest first."""
        query = "select cast(sha256 as text) from roots order by created_at desc limit 3"
        return [row[0] for row in self._database.execute(query)]

    def load(self, sha256: str = "") -> Root | None:
        """Return the root that signs, or the one with this fingerprint, with its key. Raises `SealBroken`, `RowDamaged`."""
        chosen = "sha256 = ?" if sha256 else "retired_at is null"
        query = f"select sha256, certificates, sealed_key from roots where {chosen}"  # noqa: S608
        for row in self._database.checked("roots", query, [sha256] if sha256 else []):
            key = self._sealer.open(row["sealed_key"], _context(row["sha256"]))
            return Root.from_pem(row["certificates"].encode(), key)
        return None


def _context(sha256: str) -> str:
    return f"key of root {sha256}"


def _record(row: dict[str, Any]) -> RootRecord:
    return RootRecord(
        sha256=row["sha256"],
        subject=row["subject"],
        not_before=read_known(row["not_before"]),
        not_after=read_known(row["not_after"]),
        certificates=row["certificates"],
        created_at=read_known(row["created_at"]),
        retired_at=read(row["retired_at"]),
    )
