"""A CA does not believe that a name leads here, or doesn't certify it at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from agent.errors.acme import AGAIN, AcmeError
from agent.errors.wording import FEW, said

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


class NamesRefused(AcmeError):
    """The CA gives no certificate for names of the order."""

    code = "source.names_refused"
    ca: str
    failures: Sequence[NameFailure]
    retry_at: datetime

    @property
    def shown(self) -> str:
        """The first names with the CA's words, and how many more; `detail` has all of them."""
        more = len(self.failures) - FEW
        return "; ".join([*map(str, self.failures[:FEW]), *([f"and {more} more"] if more > 0 else [])])

    @cached_property
    def failed(self) -> frozenset[str]:
        """Names that the CA speaks of."""
        return frozenset(each.name for each in self.failures if each.name)


class ValidationFailed(NamesRefused):
    """The CA could not see that the names lead here (RFC 8555 section 8.2)."""

    code = "source.validation_failed"
    cause = "{ca} could not validate {shown}."
    fix = f"{{hint}}, {AGAIN}"
    passed: frozenset[str] = frozenset()
    detail: str = ""

    @property
    def hint(self) -> str:
        """What to do about the first name."""
        first = self.failures[0]
        return HINTS.get(first.kind, OTHER_HINT).format(name=first.name or "each name")


class NamesRejected(NamesRefused):
    """The CA does not certify these names for anyone."""

    code = "source.names_rejected"
    cause = "{ca} does not certify {shown}."
    fix = f"Correct the name or take it out of the module's settings, or have another CA certify it, {AGAIN}"
    detail: str = ""
