"""The record that proves a name by dns-persist-01. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent.sources.acme.persist.account import PersistAccount

LABEL = "_validation-persist"
WILDCARD = "*."
LONGEST_STRING = 255
"""Octets of one string of a TXT record (RFC 1035 section 3.3)."""
TTL = 3600
"""Seconds, in the line for a zone's file."""


@dataclass(frozen=True, slots=True)
class PersistRecord:
    """A TXT record that is to be in the zone."""

    owner: str
    """Without a final dot."""
    value: str

    @property
    def strings(self) -> tuple[str, ...]:
        """The value in strings that a TXT record can hold: one, unless the URL of the account is very long."""
        return tuple(self.value[at : at + LONGEST_STRING] for at in range(0, len(self.value), LONGEST_STRING))

    @property
    def zone_line(self) -> str:
        """The record as a line of a zone's file."""
        shown = (each.replace("\\", "\\\\").replace('"', '\\"') for each in self.strings)
        return f"{self.owner}. {TTL} IN TXT " + " ".join(f'"{each}"' for each in shown)


def domain_of(name: str) -> str:
    """Return the domain whose record proves a name: a wildcard shares that of the name below the ``*.``."""
    return name.removeprefix(WILDCARD)


def owner_of(domain: str) -> str:
    """Return where the record of a domain is."""
    return f"{LABEL}.{domain}"


def record_of(
    domain: str, account: PersistAccount, *, wildcard: bool, until: datetime | None = None, issuer: str = ""
) -> PersistRecord:
    """Return the record of a domain; `wildcard`: for ``*.domain`` too, `until`: when it ends. Blanks give way to length."""
    parts = [issuer or account.issuers[0], f"accounturi={account.uri_for(domain)}"]
    parts += ["policy=wildcard"] if wildcard else []
    parts += [f"persistUntil={int(until.timestamp())}"] if until else []
    value = "; ".join(parts)
    return PersistRecord(owner_of(domain), value if len(value) <= LONGEST_STRING else ";".join(parts))
