"""TLSA records (RFC 6698): what DNS says of the certificates of a service, and whether a chain is among it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from agent.model.kept_key import KeyRole
from agent.model.pause import Pause

FORM = re.compile(r"(\d{1,3}) (\d{1,3}) (\d{1,3}) ([0-9a-fA-F]*)")
DIGESTS: Mapping[int, Callable[[bytes], str]] = {
    0: lambda data: data.hex(),
    1: lambda data: hashlib.sha256(data).hexdigest(),
    2: lambda data: hashlib.sha512(data).hexdigest(),
}
"""Matching types (RFC 6698 section 2.1.3)."""
TRUST_ANCHOR, END_ENTITY = 2, 3
"""Certificate usages DANE-TA and DANE-EE; 0 and 1 are not for SMTP (RFC 7672 section 3.1.3)."""
CERTIFICATE, PUBLIC_KEY = 0, 1
"""Selectors."""
LONGEST_TLSA = timedelta(days=1)
"""Between two questions about the same records, whatever they say."""
LONGEST_TTL = 86_400
"""Seconds for which others are taken to remember a record at most."""


@dataclass(frozen=True, slots=True)
class CertificateBytes:
    """A certificate as TLSA records see it."""

    der: bytes
    public: bytes
    """SubjectPublicKeyInfo in DER."""

    def selected(self, selector: int) -> bytes | None:
        """Return what a selector means."""
        return {CERTIFICATE: self.der, PUBLIC_KEY: self.public}.get(selector)


@dataclass(frozen=True, slots=True, order=True)
class TlsaRecord:
    """Data of one record."""

    usage: int
    selector: int
    matching: int
    data: str
    """Hexadecimal, lower case."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``3 1 1 ab12...``. Raises ValueError."""
        match = FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no TLSA record")
        return cls(int(match[1]), int(match[2]), int(match[3]), match[4].lower())

    @classmethod
    def of_key(cls, public: bytes) -> Self:
        """Return ``3 1 1`` of a public key in DER: the record that outlives renewals."""
        return cls(END_ENTITY, PUBLIC_KEY, 1, DIGESTS[1](public))

    def __str__(self) -> str:
        return f"{self.kind} {self.data}"

    @property
    def kind(self) -> str:
        """The three numbers."""
        return f"{self.usage} {self.selector} {self.matching}"

    def matches(self, certificate: CertificateBytes) -> bool:
        """Whether it names a certificate, or the key in it."""
        selected, digest = certificate.selected(self.selector), DIGESTS.get(self.matching)
        return selected is not None and digest is not None and digest(selected) == self.data

    def names_key(self, public: bytes) -> bool:
        """Whether it names a key, in whatever certificate of a server."""
        return (self.usage, self.selector) == (END_ENTITY, PUBLIC_KEY) and self.matches(CertificateBytes(b"", public))

    def accepts(self, presented: Sequence[CertificateBytes]) -> bool:
        """Whether a client takes what a server presents, leaf first, for this record.

        An authority counts only where the server sends it, as the record alone does not hold it (RFC 7671 section 5.2.2).
        """
        named = {END_ENTITY: presented[:1], TRUST_ANCHOR: presented[1:]}.get(self.usage, ())
        return any(self.matches(each) for each in named)


@dataclass(frozen=True, slots=True)
class TlsaLook:
    """TLSA records of one name, as DNS had them last."""

    owner: str
    """``_25._tcp.mail.example.com``."""
    records: tuple[TlsaRecord, ...] | None = None
    """None: it isn't known yet."""
    authenticated: bool = False
    """The resolver says that the answer was signed and is genuine (the AD bit, RFC 4035 section 3.2.3)."""
    ttl: int = 0
    """Seconds for which others may remember them, or those before them."""
    since: datetime | None = None
    """When these records were seen first."""
    asked_at: datetime | None = None
    next_at: datetime | None = None
    problem: str = ""
    """Why DNS could not be asked last, a clause; the records are those of the time before."""

    @property
    def pause(self) -> Pause:
        """Pause before DNS is asked again."""
        return Pause(self.asked_at, self.next_at, LONGEST_TLSA)

    def known_to_all(self, now: datetime) -> bool:
        """Whether nobody remembers what was there before: twice its lifetime is over (RFC 7671 section 8.1)."""
        return self.since is not None and now >= self.since + 2 * timedelta(seconds=self.ttl)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsaRow:
    """A TLSA record that is to be in DNS."""

    module: str
    slot: str
    owner: str
    """``_25._tcp.mail.example.com``."""
    record: str
    """``3 1 1`` and the SHA-256 of the key."""
    key: KeyRole
    """The present one is served; the next one is published before it is used."""
    published: bool | None
    """Whether DNS has it; None: it isn't known."""
    chain: str
    """Id of the chain that is served."""

    @property
    def state(self) -> str:
        """Say whether it is published."""
        return {True: "in DNS", False: "not in DNS", None: "DNS was not asked yet"}[self.published]
