"""How programs of other ACME clients are told what to write: a call for each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from chainwright import TxtRecord
from plugins.dns_command.errors import HookWritesElsewhere

CHALLENGE = "_acme-challenge."


class Deed(StrEnum):
    """What is done to a record."""

    MAKE = "make"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a program."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def lego(command: Sequence[str], deed: Deed, record: TxtRecord) -> Call:
    """Return the call as lego's provider ``exec`` makes it."""
    return Call([*command, "present" if deed is Deed.MAKE else "cleanup", f"{record.name}.", record.value])


def certbot(
    command: Sequence[str], deed: Deed, record: TxtRecord, *, domains: Sequence[str], remaining: int, output: str
) -> Call:
    """Return the call as certbot makes it of its hooks. `output`: what the first hook has printed, for the second."""
    domain = certbot_domain(record)
    environment = {
        "CERTBOT_DOMAIN": domain,
        "CERTBOT_IDENTIFIER": domain,
        "CERTBOT_VALIDATION": record.value,
        "CERTBOT_ALL_DOMAINS": ",".join(domains),
        "CERTBOT_ALL_IDENTIFIERS": ",".join(domains),
        "CERTBOT_REMAINING_CHALLENGES": str(remaining),
    }
    return Call(command, environment if deed is Deed.MAKE else {**environment, "CERTBOT_AUTH_OUTPUT": output})


def certbot_domain(record: TxtRecord) -> str:
    """Return the domain for which a hook writes a record. Raises `HookWritesElsewhere`."""
    if not record.name.startswith(CHALLENGE):
        raise HookWritesElsewhere(record.domain, record.name)
    return record.name.removeprefix(CHALLENGE)
