"""Peer certificates: leaves that the root signed from someone's request. There is no key here."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from agent.chain import PeerCertificate
from agent.encoding import Part, encode
from agent.store.instants import written

if TYPE_CHECKING:
    from sqlite_utils import Database


class Peers:
    """The table `peers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, peer: PeerCertificate, *, csr: bytes, module: str, label: str, root: str, names: list[str], now: datetime
    ) -> None:
        """Keep a certificate and the request that it was made from: a new root signs it again."""
        self._database.table("peers").insert(
            {
                "sha256": peer.id,
                "module": module,
                "label": label,
                "root": root,
                "names": json.dumps(names),
                "not_before": written(peer.usable_from),
                "not_after": written(peer.usable_until),
                "certificate": encode(peer, [Part.FULLCHAIN]).decode(),
                "csr": csr.decode("ascii", errors="replace"),
                "created_at": written(now),
                "revoked_at": None,
            },
            replace=True,
        )
