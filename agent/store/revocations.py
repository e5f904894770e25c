"""Revocations by own roots, for as long as they have to be listed, and the newest list of each root."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from agent.pki.revocation import Revocation, RevocationList, RevocationReason
from agent.store.connection import Connection
from agent.store.instants import read_known, written
from agent.store.values import words

EARLY, LATE = datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
"""Instants in place of those that can't be read."""


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
        query = "select * from revocations order by at, serial"
        return self._database.decoded("revocations", _revocation, query, otherwise=_still_revoked)

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
        query = "select * from revocation_lists"
        found = self._database.decoded("revocation_lists", _list, query, otherwise=_ended_list)
        return {each.root: each for each in found}


def _revocation(row: dict[str, Any]) -> Revocation:
    reason = RevocationReason(row["reason"])
    return Revocation(row["root"], row["serial"], read_known(row["at"]), reason, read_known(row["not_after"]))


def _still_revoked(row: dict[str, Any]) -> Revocation:
    """Return what is left of a damaged row: a certificate that was revoked is never left out of a list."""
    return Revocation(row["root"], row["serial"], EARLY, RevocationReason.UNSPECIFIED, LATE)


def _list(row: dict[str, Any]) -> RevocationList:
    serials = words(row["serials"])
    times = read_known(row["this_update"]), read_known(row["next_update"])
    return RevocationList(row["root"], int(row["number"]), *times, serials, row["pem"])


def _ended_list(row: dict[str, Any]) -> RevocationList:
    """Return what is left of a damaged row: the next list has a higher number (RFC 5280 section 5.2.3), and is due."""
    number = row["number"] if isinstance(row["number"], int) else 0
    return RevocationList(row["root"], number, EARLY, EARLY, (), row["pem"])
