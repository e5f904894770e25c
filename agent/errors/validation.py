"""A CA does not believe that a name leads here, or doesn't certify it at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from ipaddress import ip_address

from agent.errors.acme import AGAIN, AcmeError
from agent.errors.source import Elsewhere
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
"""What to do, by the type of the problem (RFC 8555 section 6.7), where the CA reads a file from port 80."""
OTHER_HINT = "Let {name} lead to this machine, from the whole internet and on port 80"
REDIRECTED = "Correct the TLS server that http://{name} redirects to, or do not redirect /.well-known/acme-challenge/"
OVER_IPV6 = (
    "Let port 80 of {name} be reached over IPv6 too, which CAs prefer: correct its AAAA record or remove it, and look at the "
    "firewall"
)
ADDRESS = re.compile(r"[0-9a-fA-F]{1,4}:[0-9a-fA-F:]*:[0-9a-fA-F.:]*")
DNS_HINTS = {
    "connection": "Let the name servers of {domain} be reached from the whole internet",
    "dns": "Correct the DNS of {domain}: each of its name servers must answer, and have the TXT record at {record}",
    "unauthorized": "Look which TXT records the name servers of {domain} have at {record}: all of them must have the one that "
    "the agent has made",
    **{kind: HINTS[kind] for kind in ("caa", "dnssec")},
}
"""Where the CA reads a TXT record that was made for it."""
LASTING = "Compare the TXT record at {record} with what it has to be: chainwright acme persist '{name}'"
LASTING_HINTS = {**DNS_HINTS, "dns": LASTING, "unauthorized": LASTING, "malformed": LASTING}
"""Where the CA reads a TXT record that a person has set."""
ON_TLS = (
    "Let port 443 of {name} be reached from the internet, and lead to this machine's TLS without another server between"
)
TLS_HINTS = {kind: HINTS[kind] for kind in ("dns", "caa", "dnssec")}
"""Where the CA looks at a certificate on port 443."""
HINTS_BY_METHOD = {
    "dns-persist-01": (LASTING_HINTS, LASTING),
    "dns-01": (DNS_HINTS, "Let each name server of {domain} show the world the TXT record at {record}"),
    "tls-alpn-01": (TLS_HINTS, ON_TLS),
}
"""Type of challenge -> what to do by the type of the problem, and else."""
RECORDS = {"dns-01": "_acme-challenge", "dns-persist-01": "_validation-persist"}
"""Labels before the domain at which a CA reads."""


@dataclass(frozen=True, slots=True)
class NameFailure:
    """What a CA says of one name."""

    name: str
    """Empty: it does not say which."""
    kind: str
    """Type of the problem (RFC 8555 section 6.7)."""
    words: str
    method: str = ""
    """Type of the challenge that has failed: "http-01"; empty: it was refused without one."""

    def __str__(self) -> str:
        by = f" by {self.method}" if self.method else ""
        return f"{self.name or 'a name'}{by} ({self.kind}: {said(self.words)})"

    @property
    def hint(self) -> str:
        """What to do about it."""
        hints, other = HINTS_BY_METHOD.get(self.method, (HINTS, OTHER_HINT))
        if self.method == "http-01" and self.kind in {"connection", "tls", "unauthorized"}:
            other = REDIRECTED if "https://" in self.words else OVER_IPV6 if _names_ipv6(self.words) else ""
            hints = {self.kind: other or hints[self.kind]}
        domain = self.name.removeprefix("*.") or "each name"
        record = f"{RECORDS.get(self.method, '')}.{domain}"
        return hints.get(self.kind, other).format(name=self.name or "each name", domain=domain, record=record)


def _names_ipv6(words: str) -> bool:
    """Whether a CA says that it has asked an IPv6 address."""
    return any(_is_ipv6(each.rstrip(":")) for each in ADDRESS.findall(words))


def _is_ipv6(text: str) -> bool:
    try:
        return ip_address(text).version == 6
    except ValueError:
        return False


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
    def elsewhere(self) -> Elsewhere:  # type: ignore[override]  # of this one, not of its kind
        """CAA is about one CA; what else is wrong is wrong for each."""
        return Elsewhere.AT_ONCE if all(each.kind == "caa" for each in self.failures) else Elsewhere.NEVER

    @property
    def hint(self) -> str:
        """What to do about the first name."""
        return self.failures[0].hint


class NamesRejected(NamesRefused):
    """The CA does not certify these names for anyone."""

    code = "source.names_rejected"
    elsewhere = Elsewhere.AT_ONCE
    cause = "{ca} does not certify {shown}."
    fix = f"Correct the name or take it out of the module's settings, or have another CA certify it, {AGAIN}"
    detail: str = ""
