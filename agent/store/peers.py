"""Peer certificates: leaves that the root signed from someone's request. There is no key here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from agent.model.pause import LONGEST_TRY, Pause
from agent.model.peer import Peer
from agent.pki.chain import PeerCertificate, Purpose
from agent.pki.encoding import Part, encode
from agent.pki.key import KeyType
from agent.pki.revocation import RevocationReason
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.problems import read_problem_json
from agent.store.values import words

COLUMNS = (
    "serial, sha256, module, label, names, purposes, root, not_before, not_after, created_at, replaced_at, revoked_at, "
    "reason, key_type"
)


class Peers:
    """The table `peers`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def add(
        self, peer: PeerCertificate, *, csr: bytes, module: str, label: str, root: str, names: list[str], now: datetime
    ) -> None:
        """Keep a certificate and the request that it was made from; those before it of the same peer are replaced."""
        self._database.execute(
            "update peers set replaced_at = ? where module = ? and label = ? and replaced_at is null",
            [written(now), module, label],
        )
        self._database.table("peers").insert(
            {
                "sha256": peer.id,
                "serial": peer.serial,
                "module": module,
                "label": label,
                "root": root,
                "names": json.dumps(names),
                "purposes": json.dumps([str(each) for each in peer.purposes]),
                "not_before": written(peer.usable_from),
                "not_after": written(peer.not_after),
                "certificate": encode(peer, [Part.FULLCHAIN, Part.ROOT]).decode(),
                "csr": csr.decode("ascii", errors="replace"),
                "key_type": str(peer.facts.key_type),
                "created_at": written(now),
                "revoked_at": None,
            },
            replace=True,
        )

    def all(self) -> list[Peer]:
        """Return every certificate: by module and label, the newest first."""
        query = f"select {COLUMNS} from peers order by module, label, created_at desc, replaced_at is not null"  # noqa: S608
        return self._database.decoded("peers", _peer, query)

    def find(self, serial: str) -> Peer | None:
        """Return the certificate with a serial number (lower-case hex)."""
        return next((each for each in self.all() if each.serial == serial), None)

    def certificates(self, sha256: str) -> str:
        """Return leaf, intermediates and the root where it is known, as PEM."""
        return str(self._one(sha256, "certificate"))

    def request(self, sha256: str) -> bytes:
        """Return the PEM request that a certificate was made from."""
        return str(self._one(sha256, "csr")).encode()

    def _one(self, sha256: str, column: str) -> Any:
        query = f"select sha256, {column} from peers where sha256 = ?"  # noqa: S608
        return self._database.checked("peers", query, [sha256])[0][column]

    def revoke(self, peers: Iterable[Peer], at: datetime, reason: RevocationReason) -> None:
        """Note that certificates were revoked: they are not signed again."""
        for each in peers:
            self._database.execute(
                "update peers set revoked_at = ?, reason = ? where sha256 = ?", [written(at), str(reason), each.sha256]
            )

    def hold_back(self, peer: Peer, problem: Mapping[str, Any], now: datetime) -> None:
        """Note why a certificate could not be signed again just now: it is tried again a day later."""
        self._database.execute(
            "update peers set problem = ?, retry_at = ?, tried_at = ? where sha256 = ?",
            [json.dumps(problem), written(now + LONGEST_TRY), written(now), peer.sha256],
        )

    def held_back(self) -> dict[str, Pause]:
        """Return, by SHA-256, the pause before it is tried again to sign a certificate again."""
        query = "select sha256, retry_at, tried_at from peers where retry_at is not null"
        return dict(self._database.decoded("peers", _pause, query))

    def problems(self) -> dict[str, dict[str, Any]]:
        """Return, by SHA-256, why a certificate could not be signed again: `Problem` as JSON."""
        query = "select sha256, problem from peers where problem is not null and replaced_at is null"
        return dict(
            self._database.decoded("peers", lambda row: (row["sha256"], read_problem_json(row["problem"]) or {}), query)
        )


def _pause(row: dict[str, Any]) -> tuple[str, Pause]:
    return row["sha256"], Pause(read(row["tried_at"]), read_known(row["retry_at"]), LONGEST_TRY)


def _peer(row: dict[str, Any]) -> Peer:
    return Peer(
        serial=row["serial"],
        sha256=row["sha256"],
        module=row["module"],
        label=row["label"],
        names=words(row["names"]),
        purposes=tuple(Purpose(each) for each in words(row["purposes"])),
        root=row["root"],
        not_before=read_known(row["not_before"]),
        not_after=read_known(row["not_after"]),
        created_at=read_known(row["created_at"]),
        replaced_at=read(row["replaced_at"]),
        revoked_at=read(row["revoked_at"]),
        reason=RevocationReason(row["reason"]) if row["reason"] else None,
        key_type=KeyType(row["key_type"]),
    )
