"""A CA does not believe that a name leads here, or doesn't certify it at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.errors.acme import AGAIN, WHERE, AcmeError, said

HINTS = {
    "connection": "Let port 80 of {name} be reached from the internet: DNS, firewall and NAT must lead to this machine",
    "dns": "Correct the DNS of {name}: its name servers must answer, and its A and AAAA records lead to this machine",
    "unauthorized": "Let http://{name}/.well-known/acme-challenge/ lead to this machine: something else answers there",
    "incorrectResponse": "Let http://{name}/.well-known/acme-challenge/ lead to this machine: something else answers there",
    "tls": "Correct the TLS server that http://{name} redirects to, or do not redirect",
    "caa": "Let the CAA records of {name}, or of the domain above it, name this CA",
    "dnssec": "Correct DNSSEC of {name}: signatures that have expired, or a DS record of an old key",
}
"""What to do, by the type of the problem (RFC 8555 section 6.7)."""
SHOWN = 3
"""Names with what the CA says of them in one sentence."""
OTHER_HINT = "Let {name} lead to this machine, from the whole internet and on port 80"


@dataclass(frozen=True, slots=True)
class NameFailure:
    """What a CA says of one name."""

    name: str
    """Empty: it does not say which."""
    kind: str
    """Type of the problem (RFC 8555 section 6.7)."""
    words: str

    def __str__(self) -> str:
        return f"{self.name or 'a name'} ({self.kind}: {said(self.words)})"


class ValidationFailed(AcmeError):
    """The CA could not see that the names lead here (RFC 8555 section 8.2)."""

    code = "source.validation_failed"

    def __init__(
        self,
        ca: str,
        failures: Sequence[NameFailure],
        retry_at: datetime,
        *,
        passed: Collection[str] = (),
        detail: str = "",
    ) -> None:
        super().__init__(
            f"{ca} could not validate {_shown(failures)}.",
            where=WHERE,
            fix=f"{_hint(failures[0])}, {AGAIN}",
            retry_at=retry_at,
            detail=detail,
        )
        self.failed = frozenset(each.name for each in failures if each.name)
        self.passed = frozenset(passed)


class NamesRejected(AcmeError):
    """The CA does not certify these names, whoever asks."""

    code = "source.names_rejected"

    def __init__(self, ca: str, failures: Sequence[NameFailure], retry_at: datetime, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} does not certify {_shown(failures)}.",
            where=WHERE,
            fix=f"Correct the name or take it out of the module's settings, or have another CA certify it, {AGAIN}",
            retry_at=retry_at,
            detail=detail,
        )
        self.failed = frozenset(each.name for each in failures if each.name)


def _shown(failures: Sequence[NameFailure]) -> str:
    """The first with the CA's words, and how many more; all of them stand in `detail`."""
    more = len(failures) - SHOWN
    shown = "; ".join(map(str, failures[:SHOWN]))
    return shown if more <= 0 else f"{shown}; and {more} more"


def _hint(failure: NameFailure) -> str:
    return HINTS.get(failure.kind, OTHER_HINT).format(name=failure.name or "each name")
