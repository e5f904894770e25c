"""The record that proves a name by dns-persist-01. Pure."""

from __future__ import annotations

from datetime import datetime

from agent.model.persistent import LONGEST_STRING, PersistentRecord, owner_of
from agent.sources.acme.persist.account import PersistAccount


def record_of(
    domain: str, account: PersistAccount, *, wildcard: bool, until: datetime | None = None, issuer: str = ""
) -> PersistentRecord:
    """Return the record of a domain; `wildcard`: for ``*.domain`` too, `until`: when it ends. Blanks give way to length."""
    parts = [issuer or account.issuers[0], f"accounturi={account.uri_for(domain)}"]
    parts += ["policy=wildcard"] if wildcard else []
    parts += [f"persistUntil={int(until.timestamp())}"] if until else []
    value = "; ".join(parts)
    return PersistentRecord(owner_of(domain), value if len(value) <= LONGEST_STRING else ";".join(parts))
