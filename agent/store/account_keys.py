"""ACME account keys: the present one signs, the next one waits for its CAs' consent, those before are kept."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.errors.base import AgentError
from agent.pki.account_key import thumbprint
from agent.pki.key import key_pem, load_key, load_known_key
from agent.store.connection import Connection
from agent.store.instants import read_known, written
from agent.store.sealing import Sealer
from agent.system.trust import read_regular
from agent.system.writing import replace

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey


OF = "@"
"""Between thumbprint and source in the name of a file."""


class Role(StrEnum):
    """Use of an account key."""

    PRESENT = "present"
    NEXT = "next"
    """Proposed to the CAs (RFC 8555 section 7.3.5), not in use yet."""
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class AccountKeyRecord:
    """An account key as far as it is known without being opened."""

    thumbprint: str
    """RFC 7638, base64url."""
    role: Role
    created_at: datetime
    source: str = ""
    """Source that has it for itself; empty: it is shared."""


class AccountKeys:
    """The table `account_keys`, and a sealed copy of each key as a file for the day on which the database is lost.

    Each role is held once for the key that sources share, and once for each source that has a key of its own: `source`.
    """

    def __init__(self, database: Connection, sealer: Sealer, private: Path) -> None:
        self._database = database
        self._sealer = sealer
        self._private = private

    def all(self) -> list[AccountKeyRecord]:
        """Return every account key, the newest first."""
        query = "select thumbprint, role, created_at, source from account_keys order by created_at desc"
        return self._database.decoded("account_keys", _record, query)

    def present(self, source: str = "") -> AccountKeyRecord | None:
        """Return what is known of the key that signs; None before the first one."""
        return self._with(Role.PRESENT, source)

    def proposed(self, source: str = "") -> AccountKeyRecord | None:
        """Return what is known of the key that is to follow; None when there is none."""
        return self._with(Role.NEXT, source)

    def load(self, role: Role = Role.PRESENT, source: str = "") -> PrivateKey | None:
        """Return the key of a role. Raises `SealBroken`, `RowDamaged`."""
        query = (
            "select thumbprint, sealed_key from account_keys where role = ? and source = ?"
            " order by created_at desc limit 1"
        )
        return self._first(query, str(role), source)

    def load_known(self, thumbprint: str) -> PrivateKey | None:
        """Return a key by its thumbprint, whatever its role; None: there is none. Raises like `load`."""
        return self._first("select thumbprint, sealed_key from account_keys where thumbprint = ?", thumbprint)

    def _first(self, query: str, *values: str) -> PrivateKey | None:
        for row in self._database.checked("account_keys", query, list(values)):
            return load_known_key(self._sealer.open(row["sealed_key"], _context(row["thumbprint"])))
        return None

    def add(self, key: PrivateKey, now: datetime, source: str = "") -> AccountKeyRecord:
        """Keep `key` as the present one; the one before it is retired. Call inside `Store.write`."""
        self._turn(Role.PRESENT, Role.RETIRED, source)
        return self._insert(key, Role.PRESENT, now, source)

    def propose(self, key: PrivateKey, now: datetime, source: str = "") -> AccountKeyRecord:
        """Keep `key` as the one that is to follow, in place of an earlier proposal. Call inside `Store.write`.

        The present one goes on signing until `promote`: after a crash in between, each CA knows the account by one of both.
        """
        self.withdraw(source)
        return self._insert(key, Role.NEXT, now, source)

    def promote(self, source: str = "") -> None:
        """Make the proposed key the present one. Call inside `Store.write`, once the CAs know the account by it."""
        if self.proposed(source) is not None:
            self._turn(Role.PRESENT, Role.RETIRED, source)
            self._turn(Role.NEXT, Role.PRESENT, source)

    def withdraw(self, source: str = "") -> None:
        """Give the proposed key up; it's kept, in case a CA has taken it."""
        self._turn(Role.NEXT, Role.RETIRED, source)

    def rename(self, old: str, new: str) -> None:
        """Let a source have the keys of one that was called otherwise. Call inside `Store.write`."""
        query = "select thumbprint, sealed_key from account_keys where source = ?"
        for row in self._database.checked("account_keys", query, [old]):
            replace(self._file(row["thumbprint"], new), row["sealed_key"], mode=0o600)
            self._file(row["thumbprint"], old).unlink(missing_ok=True)
        self._database.execute("update account_keys set source = ? where source = ?", [new, old])

    def write_files(self) -> None:
        """Write the copies that are missing: an earlier version named them so that nobody could open them."""
        for row in self._database.checked("account_keys", "select thumbprint, sealed_key, source from account_keys"):
            path = self._file(row["thumbprint"], row["source"])
            if not path.exists():
                replace(path, row["sealed_key"], mode=0o600)
                (self._private / f"account-{row['thumbprint'][:16]}.sealed").unlink(missing_ok=True)

    def take_in_files(self, now: datetime) -> list[str]:
        """Keep the keys of the copies that aren't here; return their thumbprints. Call inside `Store.write`.

        The one that was written last is the present one, where there is none.
        """
        known = {record.thumbprint for record in self.all()}
        taken = []
        for path in sorted(self._private.glob("account-*.sealed"), key=_written_at, reverse=True):
            name, _, source = path.name.removeprefix("account-").removesuffix(".sealed").partition(OF)
            with suppress(AgentError, OSError, ValueError, TypeError):
                if (
                    name not in known
                    and thumbprint(load_key(self._sealer.open(read_regular(path), _context(name)))) == name
                ):
                    role = Role.RETIRED if self.present(source) else Role.PRESENT
                    self._keep(name, read_regular(path), role, now, source)
                    taken.append(name)
                    known.add(name)
        return taken

    def _file(self, name: str, source: str) -> Path:
        return self._private / f"account-{name}{OF + source if source else ''}.sealed"

    def _with(self, role: Role, source: str) -> AccountKeyRecord | None:
        return next((record for record in self.all() if (record.role, record.source) == (role, source)), None)

    def _turn(self, old: Role, new: Role, source: str) -> None:
        self._database.execute(
            "update account_keys set role = ? where role = ? and source = ?", [str(new), str(old), source]
        )

    def _insert(self, key: PrivateKey, role: Role, now: datetime, source: str) -> AccountKeyRecord:
        record = AccountKeyRecord(thumbprint(key), role, now, source)
        sealed = self._sealer.seal(key_pem(key), _context(record.thumbprint))
        replace(self._file(record.thumbprint, source), sealed, mode=0o600)
        self._keep(record.thumbprint, sealed, role, now, source)
        return record

    def _keep(self, name: str, sealed: bytes, role: Role, now: datetime, source: str) -> None:
        self._database.execute(
            "insert or replace into account_keys (thumbprint, sealed_key, role, created_at, source) values (?, ?, ?, ?, ?)",
            [name, sealed, str(role), written(now), source],
        )


def _written_at(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _context(thumbprint: str) -> str:
    return f"account key {thumbprint}"


def _record(row: dict[str, Any]) -> AccountKeyRecord:
    return AccountKeyRecord(row["thumbprint"], Role(row["role"]), read_known(row["created_at"]), row["source"])
