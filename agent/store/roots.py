"""Own roots: the present one signs, one may be prepared, those before are kept and listed; and their cross-certificates."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace as with_changes
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors.store import StoreError
from agent.model.root import CrossCertificate, RootPhase, RootRecord, in_phase, served_with, signing_root
from agent.pki.key import KeyKind, KeyType
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written
from agent.store.root_files import FoundRoot, RootFiles, context
from agent.store.sealing import Sealer

if TYPE_CHECKING:
    from agent.pki.authority import Root

COLUMNS = (
    "sha256, subject, not_before, not_after, certificates, created_at, retired_at, signs_at, replaced_at, retires_at, "
    "prepared, uploaded, key_type, beside"
)
UNTIL_IT_SIGNS = timedelta(days=90)
"""A successor that was prepared signs so long after the database was lost, as nothing else says when."""


class Roots:
    """The tables `roots` and `cross_certificates`, and a sealed copy of each key as a file, for when the database is lost."""

    def __init__(self, database: Connection, sealer: Sealer, private: Path) -> None:
        self._database = database
        self._sealer = sealer
        self._files = RootFiles(sealer, private)

    def add(self, root: Root, now: datetime, *, uploaded: bool = False, beside: bool = False) -> None:
        """Keep `root` as the one that signs; those before it are retired at once. Call inside `Store.write`.

        `beside`: the main one, for keys of its own kind alone.
        """
        query = (
            "update roots set retired_at = ?, replaced_at = coalesce(replaced_at, ?), retires_at = ?"
            " where retired_at is null and beside = ?"
        )
        self._database.execute(query, [written(now), written(now), written(now), int(beside)])
        self._files.write(root, beside=beside, uploaded=uploaded)
        self._insert(root, now, signs_at=now, prepared=False, uploaded=uploaded, beside=beside)

    def prepare(
        self,
        root: Root,
        now: datetime,
        *,
        signs_at: datetime,
        uploaded: bool = False,
        beside: bool = False,
    ) -> None:
        """Keep `root` as the one that signs next, in place of one that was prepared before. Call inside `Store.write`.

        `beside`: the main one, for keys of its own kind alone.
        """
        before = self.prepared(beside=beside)
        if before is not None:
            self.give_up(before.sha256, now)
        self._files.write(root, beside=beside, uploaded=uploaded)
        self._insert(root, now, signs_at=signs_at, prepared=True, uploaded=uploaded, beside=beside)

    def give_up(self, sha256: str, now: datetime) -> None:
        """Retire a root that was prepared, as if it had not been. Call inside `Store.write`."""
        self.retire(sha256, now)
        self._database.execute("delete from cross_certificates where ? in (subject, issuer)", [sha256])

    def certify(self, crosses: Iterable[CrossCertificate], now: datetime) -> None:
        """Keep cross-certificates, or why there are none. Call inside `Store.write`."""
        for each in crosses:
            self._database.table("cross_certificates").insert(_cross_row(each, now), replace=True)

    def begin(self, sha256: str, now: datetime) -> None:
        """Have a prepared root sign from now on; the one that did is replaced. Call inside `Store.write`."""
        query = (
            "update roots set replaced_at = ? where retired_at is null and replaced_at is null and prepared is not 1"
            " and beside = (select beside from roots where sha256 = ?)"
        )
        self._database.execute(query, [written(now), sha256])
        self._database.execute("update roots set prepared = 0, signs_at = ? where sha256 = ?", [written(now), sha256])

    def end(self, sha256: str, now: datetime) -> None:
        """Have a root sign no longer, though no other one follows it. Call inside `Store.write`."""
        self._database.execute("update roots set replaced_at = ? where sha256 = ?", [written(now), sha256])

    def retire(self, sha256: str, now: datetime) -> None:
        """Have a root no longer believed. Call inside `Store.write`."""
        self._database.execute("update roots set retired_at = ? where sha256 = ?", [written(now), sha256])

    def believe(self, sha256: str) -> None:
        """Have a root that was retired believed again. Call inside `Store.write`."""
        self._database.execute("update roots set retired_at = null where sha256 = ?", [sha256])

    def move(self, sha256: str, *, signs_at: datetime | None = None, retires_at: datetime | None = None) -> None:
        """Set when a step is due. Call inside `Store.write`."""
        self._database.execute(
            "update roots set signs_at = coalesce(?, signs_at), retires_at = coalesce(?, retires_at) where sha256 = ?",
            [written(signs_at) if signs_at else None, written(retires_at) if retires_at else None, sha256],
        )

    def _insert(
        self, root: Root, now: datetime, *, signs_at: datetime, prepared: bool, uploaded: bool, beside: bool = False
    ) -> None:
        sealed = self._sealer.seal(root.key_pem(), context(root.sha256))
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
                "signs_at": written(signs_at),
                "replaced_at": None,
                "retires_at": None,
                "prepared": int(prepared),
                "uploaded": int(uploaded),
                "key_type": str(root.key_type),
                "beside": int(beside),
            },
            replace=True,
        )

    def present(self, *, beside: bool = False) -> RootRecord | None:
        """Return what is known of the main root that signs, or of the one beside it; None before the first one."""
        return in_phase(self.all(), RootPhase.SIGNING, beside=beside)

    def prepared(self, *, beside: bool = False) -> RootRecord | None:
        """Return what is known of the root that will sign next in its place, where one is prepared."""
        return in_phase(self.all(), RootPhase.PREPARED, beside=beside)

    def all(self) -> list[RootRecord]:
        """Return every root, the newest first."""
        query = f"select {COLUMNS} from roots order by created_at desc, rowid desc"  # noqa: S608
        return self._database.decoded("roots", _record, query)

    def write_files(self) -> None:
        """Write the sealed copies of keys that are missing."""
        for record in self.all():
            with suppress(StoreError):  # a key that can't be opened is told elsewhere
                if not self._files.are_there(record.sha256) and (root := self.load(record.sha256)):
                    self._files.write(root, beside=record.beside, uploaded=record.uploaded)

    def take_in_files(self, signed: Collection[str], now: datetime) -> list[Root]:
        """Keep the roots of the sealed copies that aren't here, and return them. Call inside `Store.write`.

        The newest of those that have `signed` what is in service signs; those before it are believed. Where none has, the newest
        signs. What is newer and has signed nothing was prepared to follow, and is kept as that: nothing else says when it signs.
        So it is of the main roots and of those beside them, one of which waits for long enough where it has signed nothing.
        """
        known = {record.sha256: record for record in self.all()}
        for record in known.values():
            if record.phase is RootPhase.PREPARED and record.sha256 in signed:  # it has begun since the copy was made
                self.begin(record.sha256, now)
        found = [each for each in self._files.all() if each.root.sha256 not in known]
        for each in sorted(found, key=lambda each: _rank(each, signed), reverse=True):
            self._take_in(each, signed, now)
        return [each.root for each in found]

    def _take_in(self, found: FoundRoot, signed: Collection[str], now: datetime) -> None:
        root, beside, has_signed = found.root, found.beside, found.root.sha256 in signed
        signing, keep = self.present(beside=beside), partial(self._insert, uploaded=found.uploaded, beside=beside)
        follows = signing is None or _age(root) > _age(signing)
        replaces = has_signed and (follows or (signing is not None and signing.sha256 not in signed))
        if replaces or (signing is None and (not beside or self.present() is None)):
            keep(root, now, signs_at=now, prepared=True)
            self.begin(root.sha256, now)
        elif follows and self.prepared(beside=beside) is None:
            keep(root, now, signs_at=now + UNTIL_IT_SIGNS, prepared=True)
        else:
            keep(root, now, signs_at=root.not_before, prepared=False)
            self.end(root.sha256, now)
            if not has_signed:
                self.retire(root.sha256, now)

    def newest_ids(self) -> list[str]:
        """Return the fingerprints of a few roots, the newest first."""
        query = "select cast(sha256 as text) from roots order by created_at desc limit 3"
        return [row[0] for row in self._database.execute(query)]

    def crosses(self) -> list[CrossCertificate]:
        """Return the cross-certificates between roots, and why there is none, the newest first."""
        query = "select * from cross_certificates order by created_at desc, rowid desc"
        return self._database.decoded("cross_certificates", _cross, query)

    def load(self, sha256: str = "") -> Root | None:
        """Return the main root that signs, or the one with this fingerprint, with its key.

        Raises `SealBroken` and `RowDamaged`.
        """
        from agent.pki.authority import Root

        signing = "retired_at is null and replaced_at is null and prepared is not 1 and beside is not 1"
        query = f"select sha256, certificates, sealed_key from roots where {'sha256 = ?' if sha256 else signing}"  # noqa: S608
        for row in self._database.checked("roots", query, [sha256] if sha256 else []):
            key = self._sealer.open(row["sealed_key"], context(row["sha256"]))
            return Root.from_pem(row["certificates"].encode(), key)
        return None

    def load_signing(self, kind: KeyKind, now: datetime) -> Root | None:
        """Return the root that signs for keys of a kind, with what its leaves are served with at `now`.

        Raises `SealBroken` and `RowDamaged`.
        """
        from agent.pki.certificate import load_certificates

        known = self.all()
        record = signing_root(known, kind)
        root = self.load(record.sha256 if record else "")
        cross = served_with(record, kind, known, self.crosses(), now) if record else None
        if root is None or cross is None:
            return root
        return with_changes(root, cross_path=load_certificates(cross.certificate.encode()))


def _rank(found: FoundRoot, signed: Collection[str]) -> tuple[object, ...]:
    """Return what is greatest of the one that is taken in first: those beside the main one wait where that is there."""
    return not found.beside, found.root.sha256 in signed, *_age(found.root)


def _age(root: Root | RootRecord) -> tuple[datetime, datetime]:
    """Return what is greater of a younger root: those that the agent makes all begin when it was released."""
    return root.not_before, root.not_after


def _record(row: dict[str, Any]) -> RootRecord:
    return RootRecord(
        sha256=row["sha256"],
        subject=row["subject"],
        not_before=read_known(row["not_before"]),
        not_after=read_known(row["not_after"]),
        certificates=row["certificates"],
        created_at=read_known(row["created_at"]),
        retired_at=read(row["retired_at"]),
        signs_at=read(row["signs_at"]),
        replaced_at=read(row["replaced_at"]),
        retires_at=read(row["retires_at"]),
        prepared=bool(row["prepared"]),
        uploaded=bool(row["uploaded"]),
        key_type=KeyType(row["key_type"]),
        beside=bool(row["beside"]),
    )


def _cross_row(cross: CrossCertificate, now: datetime) -> dict[str, object]:
    return {
        "subject": cross.subject,
        "issuer": cross.issuer,
        "certificate": cross.certificate,
        "not_before": written(cross.not_before) if cross.not_before else None,
        "not_after": written(cross.not_after) if cross.not_after else None,
        "obstacle": cross.obstacle,
        "created_at": written(now),
    }


def _cross(row: dict[str, Any]) -> CrossCertificate:
    instants = read(row["not_before"]), read(row["not_after"])
    return CrossCertificate(row["subject"], row["issuer"], row["certificate"], *instants, row["obstacle"])
