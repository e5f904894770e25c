"""A certificate authority that signs real certificates and keeps its own record of what it was asked."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.pki.chain import Chain

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BACKDATED = timedelta(hours=1)
KEYS = 64
"""So many keys are made for a story and used in turn: making one costs more than signing with it."""


def key_of(chance: random.Random) -> ec.EllipticCurvePrivateKey:
    """Return a P-256 key that is the same for the same numbers."""
    return ec.derive_private_key(chance.randrange(1, 2**255), ec.SECP256R1())


def named(name: str) -> x509.Name:
    """Return a subject with a common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Issued:
    """One certificate as its CA remembers it."""

    id: str
    """SHA-256 of the certificate, lower-case hex."""
    names: frozenset[str]
    at: datetime
    not_before: datetime
    not_after: datetime


@dataclass
class Outage:
    """A span in which the CA does not answer, or refuses."""

    begin: datetime
    end: datetime
    kind: str
    """``away`` or ``limited``."""


@dataclass
class Authority:
    """One CA: root, intermediate, what it has issued, and what goes wrong at it. All instants are true time."""

    title: str
    seed: int
    begin: datetime
    outages: list[Outage] = field(default_factory=list)
    issued: dict[str, Issued] = field(default_factory=dict)
    """By id, in the order of their issue."""
    asked: dict[frozenset[str], list[tuple[datetime, bool]]] = field(default_factory=lambda: defaultdict(list))
    """Names -> when an order for them was made, and whether it was fulfilled."""
    revoked: dict[str, datetime] = field(default_factory=dict)
    """Id of a certificate -> since when."""
    suggests: bool = False
    """Whether it suggests when to renew (RFC 9773)."""
    windows: dict[str, Span] = field(default_factory=dict)
    """Id of a certificate -> renewal window that the CA suggests for it instead of the usual one."""

    def __post_init__(self) -> None:
        chance = random.Random(f"{self.seed} {self.title}")
        self._keys = [key_of(chance) for _ in range(KEYS)]
        self._root_key, self._key = key_of(chance), key_of(chance)
        end = self.begin + 20 * 366 * DAY
        root, intermediate = named(f"{self.title} Root"), named(f"{self.title} 1")
        span = self.begin - DAY, end
        self.root = _authority(root, root, self._root_key, self._root_key, span, None)
        self.intermediate = _authority(intermediate, root, self._key, self._root_key, span, 0)
        self._above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        self._ids = [x509.SubjectKeyIdentifier.from_public_key(key.public_key()) for key in self._keys]

    @property
    def root_pem(self) -> bytes:
        """Return the root as PEM."""
        return self.root.public_bytes(Encoding.PEM)

    def outage(self, at: datetime) -> Outage | None:
        """Return what keeps the CA from answering at an instant."""
        return next((each for each in self.outages if each.begin <= at < each.end), None)

    def known(self, certificate: str) -> Issued | None:
        """Return what is known of a certificate by its id."""
        return self.issued.get(certificate)

    def window(self, certificate: str) -> Span | None:
        """Return the renewal window that the CA suggests: the last third of the lifetime begins in it."""
        found = self.known(certificate)
        if not self.suggests or found is None:
            return None
        third = (found.not_after - found.not_before) / 3
        return self.windows.get(certificate) or (found.not_after - third * 1.05, found.not_after - third)

    def is_revoked(self, certificate: str, at: datetime) -> bool:
        """Whether a certificate was revoked at an instant."""
        since = self.revoked.get(certificate)
        return since is not None and since <= at

    def note(self, names: Iterable[str], at: datetime, *, fulfilled: bool) -> None:
        """Remember an order."""
        self.asked[frozenset(names)].append((at, fulfilled))

    def sign(self, names: Iterable[str], at: datetime, lifetime: timedelta) -> Chain:
        """Sign a certificate for a key of its own."""
        wanted = sorted(names)
        number = int.from_bytes(hashlib.sha256(f"{self.seed} {wanted} {at}".encode()).digest()[:8])
        key, key_id = self._keys[number % KEYS], self._ids[number % KEYS]
        begin = (at - BACKDATED).replace(microsecond=0)
        leaf = (
            x509.CertificateBuilder()
            .subject_name(named(wanted[0]))
            .issuer_name(self.intermediate.subject)
            .public_key(key.public_key())
            .serial_number(2**64 + number)
            .not_valid_before(begin)
            .not_valid_after(begin + lifetime - timedelta(seconds=1))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_USAGE, critical=True)
            .add_extension(_SERVER, critical=False)
            .add_extension(self._above, critical=False)
            .add_extension(key_id, critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in wanted]), critical=False)
            .sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        )
        chain = Chain(key=key, leaf=leaf, intermediates=(self.intermediate,), anchor=self.root)
        self.issued[chain.id] = Issued(chain.id, frozenset(wanted), at, begin, leaf.not_valid_after_utc)
        return chain


_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


def _authority(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    span: tuple[datetime, datetime],
    length: int | None,
) -> x509.Certificate:
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1 + length if length is not None else 7)
        .not_valid_before(span[0])
        .not_valid_after(span[1])
        .add_extension(x509.BasicConstraints(ca=True, path_length=length), critical=True)
        .add_extension(_SIGNING, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(above, critical=False)
        .sign(signer, hashes.SHA256(), ecdsa_deterministic=True)
    )
