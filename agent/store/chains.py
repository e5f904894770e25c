"""Chains: certificates in the clear, each key sealed in the same row."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from agent.errors.base import AgentError
from agent.errors.store import SealBroken
from agent.model.records import ChainRecord
from agent.pki.chain import Chain, KeyType, Purpose
from agent.pki.encoding import Part, encode
from agent.pki.judgement import Objection
from agent.store.connection import UNDECODABLE, Connection
from agent.store.instants import read, read_known, written
from agent.store.read_cache import ReadCache
from agent.store.schema import check
from agent.store.sealing import Sealer
from agent.store.values import words

COLUMNS = (
    "id, source, request, root, names, key_type, purposes, issuer, serial, not_before, not_after, "
    "fingerprints, created_at, revoked_at, crl, origin, warnings, edition"
)
ALL_COLUMNS = (*COLUMNS.split(", "), "leaf_not_after", "certificates", "anchor", "sealed_key")
END = "-----END CERTIFICATE-----"
RECORD = f"{COLUMNS}, substr(anchor, instr(anchor, '{END}') + {len(END) + 1}) as other_roots"
INSERT = f"insert or replace into chains ({', '.join(ALL_COLUMNS)}) values (:{', :'.join(ALL_COLUMNS)})"  # noqa: S608


class Chains:
    """The table `chains`."""

    def __init__(self, database: Connection, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._records: ReadCache[tuple[ChainRecord, ...]] = ReadCache(database)

    def add(
        self,
        chain: Chain,
        *,
        source: str,
        now: datetime,
        request: str | None = None,
        root: str | None = None,
        origin: str = "",
        warnings: Iterable[Objection] = (),
        edition: int = 0,
    ) -> None:
        """Keep a chain with its key, in one statement. `edition` is the judge's that found `warnings`; 0: it wasn't asked."""
        self._records.forget()
        self._database.execute(
            INSERT,
            {
                "id": chain.id,
                "source": source,
                "request": request,
                "root": root,
                "names": json.dumps(list(chain.names)),
                "key_type": str(chain.key_type),
                "purposes": json.dumps(sorted(str(purpose) for purpose in chain.purposes)),
                "issuer": chain.issuer,
                "serial": chain.serial,
                "not_before": written(chain.usable_from),
                "not_after": written(chain.usable_until),
                "leaf_not_after": written(chain.not_after),
                "fingerprints": json.dumps(list(chain.fingerprints)),
                "certificates": encode(chain, [Part.FULLCHAIN]).decode(),
                "anchor": "".join(_roots_of(chain)),
                "sealed_key": self._sealer.seal(encode(chain, [Part.KEY]), _context(chain.id)),
                "created_at": written(now),
                "revoked_at": None,
                "crl": int(bool(chain.crl_urls)),
                "origin": origin,
                "warnings": _warnings_json(warnings),
                "edition": edition,
            },
        )

    def lacks_roots(self, chain: Chain) -> bool:
        """Whether a chain that is kept is kept without some of the roots that `chain` has. Raises `RowDamaged`."""
        rows = self._database.checked("chains", "select id, anchor from chains where id = ?", [chain.id])
        return any(each not in row["anchor"] for row in rows for each in _roots_of(chain))

    def set_roots(self, chain: Chain) -> None:
        """Keep the roots of a chain in place of those that it is kept with. Call inside `Store.write`."""
        self._records.forget()
        self._database.execute("update chains set anchor = ? where id = ?", ["".join(_roots_of(chain)), chain.id])

    def records(self) -> list[ChainRecord]:
        """Return what is known of every chain, without opening one."""
        return list(self._records.get((), self._read))

    def record(self, chain_id: str) -> ChainRecord | None:
        """Return what is known of one chain."""
        query = f"select {RECORD} from chains where id = ?"  # noqa: S608
        return next(iter(self._database.decoded("chains", _record, query, [chain_id])), None)

    def _read(self) -> tuple[ChainRecord, ...]:
        return tuple(self._database.decoded("chains", _record, f"select {RECORD} from chains"))  # noqa: S608

    def forget(self) -> None:
        """Read again what was remembered."""
        self._records.forget()

    def load(self, chain_id: str) -> Chain | None:
        """Return a chain with its key; None when it isn't there. Raises `SealBroken`, `RowDamaged`, `ChainError`."""
        query = "select id, certificates, anchor, sealed_key from chains where id = ?"
        for row in self._database.checked("chains", query, [chain_id]):
            return self._chain(chain_id, row)
        return None

    def _chain(self, chain_id: str, row: Mapping[str, Any]) -> Chain:
        key = self._sealer.open(row["sealed_key"], _context(chain_id))
        return Chain.from_pem((row["certificates"] + row["anchor"]).encode(), key)

    def rows(self, chain_id: str) -> list[dict[str, Any]]:
        """Return the row of a chain as it is, its key sealed; empty where there is none."""
        query = f"select {', '.join(ALL_COLUMNS)} from chains where id = ?"  # noqa: S608
        return self._database.checked("chains", query, [chain_id])

    def take_in(self, row: Mapping[str, Any]) -> bool:
        """Keep a row that `rows` returned, unless there is one of that chain; False: there is, or the row is no good.

        One that can't be decoded is none. Call inside `Store.write`.
        """
        whole: dict[str, Any] = {column: row.get(column) for column in ALL_COLUMNS}
        if not self._is_good(whole) or self.record(whole["id"]) is not None:
            return False
        self._records.forget()
        self._database.execute(INSERT, whole)
        return True

    def _is_good(self, row: Mapping[str, Any]) -> bool:
        """Whether a row can be decoded, and its key opened."""
        try:
            check("chains", row)
            return _record({**row}).id == self._chain(row["id"], row).id
        except (AgentError, *UNDECODABLE):
            return False

    def unopened(self) -> list[str]:
        """Return the ids of the chains whose sealed key can't be opened."""
        rows = self._database.raw("select id, sealed_key from chains")
        return [str(row["id"]) for row in rows if not self._opens(str(row["id"]), row["sealed_key"])]

    def _opens(self, chain_id: str, sealed: object) -> bool:
        try:
            return isinstance(sealed, bytes) and bool(self._sealer.open(sealed, _context(chain_id)))
        except SealBroken:
            return False

    def put_sealed(self, chain_id: str, sealed: bytes) -> bool:
        """Keep another sealed key of a chain, where it can be opened and is of it. Call inside `Store.write`."""
        if not self._opens(chain_id, sealed):
            return False
        return self._put_key(chain_id, self._sealer.open(sealed, _context(chain_id)))

    def put_key(self, chain_id: str, keys: Mapping[bytes, bytes]) -> bool:
        """Seal the key of a chain again, where it is among `keys` (public key in DER -> PEM). Call inside `Store.write`."""
        from agent.pki.certificate import load_certificates
        from agent.pki.key import public_der

        try:
            leaf = load_certificates((self.certificates(chain_id) or "").encode())[0]
        except (AgentError, *UNDECODABLE):
            return False
        key = keys.get(public_der(leaf.public_key()))
        return key is not None and self._put_key(chain_id, key)

    def _put_key(self, chain_id: str, key: bytes) -> bool:
        try:
            chain = Chain.from_pem((self.certificates(chain_id) or "").encode(), key)
        except (AgentError, *UNDECODABLE):
            return False
        sealed = self._sealer.seal(encode(chain, [Part.KEY]), _context(chain_id))
        self._database.execute("update chains set sealed_key = ? where id = ?", [sealed, chain_id])
        return True

    def newest_ids(self) -> list[str]:
        """Return the ids of a few chains, the newest first."""
        query = "select cast(id as text) from chains order by created_at desc limit 3"
        return [row[0] for row in self._database.execute(query)]

    def newest(self, source: str, request: str) -> Chain | None:
        """Return the chain that a source made last for a request, good or not. Raises `SealBroken`."""
        query = "select id from chains where source = ? and request = ? order by created_at desc limit 1"
        row = self._database.execute(query, [source, request]).fetchone()
        return self.load(row[0]) if row else None

    def revoke(self, chain_id: str, at: datetime) -> None:
        """Note that a chain was revoked: nothing is bound to it any more."""
        self._records.forget()
        self._database.execute("update chains set revoked_at = ? where id = ?", [written(at), chain_id])

    def warn(self, chain_id: str, warnings: Iterable[Objection], *, edition: int | None = None) -> None:
        """Keep other warnings of a chain in place of those that it was let in with; `edition` None: it stays as it is."""
        self._records.forget()
        query = "update chains set warnings = ?, edition = coalesce(?, edition) where id = ?"
        self._database.execute(query, [_warnings_json(warnings), edition, chain_id])

    def certificates(self, chain_id: str) -> str | None:
        """Return leaf, intermediates and the root where it is known, as PEM; no key. Raises `RowDamaged`."""
        query = "select id, certificates, anchor from chains where id = ?"
        rows = self._database.checked("chains", query, [chain_id])
        return next((f"{row['certificates']}{_first(row['anchor'])}" for row in rows), None)

    def find(self, start: str) -> list[str]:
        """Return the ids that begin with `start`."""
        query = "select id from chains where substr(id, 1, ?) = ? order by id"
        return [row[0] for row in self._database.execute(query, [len(start), start])]

    def delete(self, chain_id: str) -> None:
        """Forget a chain and its key."""
        self._records.forget()
        self._database.table("chains").delete(chain_id)

    def drop_superseded(self, before: datetime, kept: Collection[str] = ()) -> None:
        """Forget chains that a source made before `before` if nothing is bound to them and no generation holds them.

        `kept`: ids of those that stay. One also stays as long as a source works at the order that replaces it, if it is that
        source's newest, and as long as it is to be tried again because a service has refused it.
        """
        self._records.forget()
        self._database.execute(
            "delete from chains where request is not null and created_at < ?"
            " and id not in (select chain from bindings where chain is not null)"
            " and id not in (select json_each.value from generations,"
            " json_each(case when json_valid(chains) then chains else '{}' end))"
            " and id not in (select subject from refusals)"
            " and id not in (select value from json_each(?))"
            " and not (exists (select 1 from orders where request = chains.request and source = chains.source)"
            " and created_at = (select max(created_at) from chains as same"
            " where request = chains.request and source = chains.source))",
            [written(before), json.dumps(sorted(kept))],
        )


def _roots_of(chain: Chain) -> list[str]:
    """Return the PEM of its root where it is known, then of the other roots that came with it."""
    if chain.anchor is None:
        return []
    from cryptography.hazmat.primitives.serialization import Encoding

    return [each.public_bytes(Encoding.PEM).decode() for each in (chain.anchor, *chain.other_roots)]


def _first(certificates: str) -> str:
    """Return the first of the certificates in a PEM text: the root of a chain; others may follow it."""
    begin, end, _ = certificates.partition(END)
    return f"{begin}{end}\n" if end else certificates


def _context(chain_id: str) -> str:
    return f"key of chain {chain_id}"


def _record(row: dict[str, Any]) -> ChainRecord:
    return ChainRecord(
        id=row["id"],
        source=row["source"],
        names=words(row["names"]),
        key_type=KeyType(row["key_type"]),
        purposes=tuple(Purpose(purpose) for purpose in words(row["purposes"])),
        issuer=row["issuer"],
        serial=row["serial"],
        not_before=read_known(row["not_before"]),
        not_after=read_known(row["not_after"]),
        fingerprints=words(row["fingerprints"]),
        request=row["request"],
        root=row["root"],
        created_at=read(row["created_at"]),
        revoked_at=read(row["revoked_at"]),
        crl=row["crl"] != 0,
        origin=row["origin"] or "",
        warnings=_warnings(row["warnings"]),
        edition=int(row["edition"] or 0),
        other_roots=row.get("other_roots") or "",
    )


def _warnings_json(warnings: Iterable[Objection]) -> str | None:
    rows = [[each.code, each.certificate, each.sentence, each.clients] for each in warnings]
    return json.dumps(rows) if rows else None


def _warnings(text: str | None) -> tuple[Objection, ...]:
    return tuple(Objection(*row) for row in json.loads(text)) if text else ()
