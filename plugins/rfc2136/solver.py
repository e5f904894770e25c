"""Settings of the solver, and what it does with an order's records: one update a zone."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from chainwright import DnsContext, DnsSolver, Host, Name, Port, Secret, TxtRecord

ALGORITHMS = (
    *("hmac-sha256", "hmac-sha1", "hmac-sha224", "hmac-sha384", "hmac-sha512"),
    *("hmac-sha256-128", "hmac-sha384-192", "hmac-sha512-256", "hmac-md5.sig-alg.reg.int"),
)
"""Those that dnspython computes, by the names that are sent (RFC 8945 section 6)."""


def _algorithm(text: str) -> str:
    name = text.lower().rstrip(".")
    if name not in ALGORITHMS:
        raise ValueError(f"must be one of {', '.join(ALGORITHMS)}")
    return name


def _is_base64(secret: Secret) -> Secret:
    try:
        decoded = base64.b64decode(secret.reveal(), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise ValueError("must be base64, as tsig-keygen and keymgr write it")
    return secret


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Rfc2136(DnsSolver):
    """A DNS server that takes dynamic updates: BIND, Knot, PowerDNS, Windows DNS with a shared key."""

    name = "rfc2136"
    title = "RFC 2136"

    server: Annotated[tuple[Host, ...], BeforeValidator(_several)] = Field(
        (),
        description="name or address of the primary server, or a list, tried in order; default: as the zone's SOA says",
    )
    port: Port = 53
    zone: Name | None = Field(None, description="the zone as that server has it; default: the one that holds the name")
    key_name: Name
    secret: Annotated[Secret, AfterValidator(_is_base64)]
    algorithm: Annotated[str, AfterValidator(_algorithm)] = "hmac-sha256"
    ttl: int = Field(60, ge=1, le=3600, description="seconds that resolvers may keep the records")

    def check_record(self, record: TxtRecord, context: DnsContext) -> None:
        """Look whether the record is in the zone that is set."""
        if self.zone and f".{record.name}".removesuffix(f".{self.zone}") == f".{record.name}":
            from plugins.rfc2136.errors import RecordOutside

            raise RecordOutside([record.name], self.zone)

    def present_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Add the records by one update."""
        from plugins.rfc2136.update import Updater

        Updater(self, context).add(records)

    def clean_up_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Delete exactly these records by one update."""
        from plugins.rfc2136.update import Updater

        Updater(self, context).delete(records)
