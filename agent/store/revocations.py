"""Revocations by own roots, for as long as they have to be listed, and the newest list of each root."""

from __future__ import annotations

import json

from agent.pki.revocation import Revocation, RevocationList, RevocationReason
from agent.store.connection import Connection
from agent.store.instants import read_known, written


class Revocations:
    """The tables `revocations` and `revocation_lists`. They outlive certificates, and the root's replacement."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def add(self, entry: Revocation) -> None:
        """Keep an entry; one that is there already stays as it is."""
        self._database.execute(
            "insert or ignore into revocations (root, serial, at, reason, not_after) values (?, ?, ?, ?, ?)",
            [entry.root, entry.serial, written(entry.at), str(entry.reason), written(entry.not_after)],
        )

    def all(self) -> list[Revocation]:
        """Return every entry, the earliest first."""
        rows = self._database.query("select * from revocations order by at, serial")
        return [
            Revocation(
                row["root"],
                row["serial"],
                read_known(row["at"]),
                RevocationReason(row["reason"]),
                read_known(row["not_after"]),
            )
            for row in rows
        ]

    def keep_list(self, made: RevocationList) -> None:
        """Put a list in the place of the one before."""
        self._database.execute(
            "insert or replace into revocation_lists (root, number, this_update, next_update, serials, pem)"
            " values (?, ?, ?, ?, ?, ?)",
            [
                made.root,
                made.number,
                written(made.this_update),
                written(made.next_update),
                json.dumps(made.serials),
                made.pem,
            ],
        )

    def lists(self) -> dict[str, RevocationList]:
        """Return the newest list of each root, by the root's SHA-256."""
        rows = self._database.query("select * from revocation_lists")
        return {
            row["root"]: RevocationList(
                row["root"],
                row["number"],
                read_known(row["this_update"]),
                read_known(row["next_update"]),
                tuple(json.loads(row["serials"])),
                row["pem"],
            )
            for row in rows
        }
