"""Root: the CA that signs the local chains, the appliance's own self-signed one or one uploaded with its key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Self

from agent.errors.chain import ChainError, KeyMismatch
from agent.errors.problem import rfc3339
from agent.errors.root import NamesMissing, RootExpired, RootKeyMismatch, RootMayNotSign, RootParentsWrong
from agent.pki.chain import Chain, KeyType, PeerCertificate, Purpose, generate_key, load_certificates, load_key
from agent.pki.key import key_pem
from agent.pki.revocation import RevocationList

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from agent.pki.private_key import PrivateKey
    from agent.pki.revocation import Revocation

ROOT_LIFETIME = timedelta(days=3652)
"""Ten years."""
LEAF_LIFETIME = timedelta(days=90)
LONGEST_LEAF = timedelta(days=397)
"""Clients refuse longer ones of public CAs (CA/Browser Forum ballot SC31)."""
LIST_LIFETIME = timedelta(days=30)
"""Lifetime of a revocation list. A new one is made when a third of it is left, and at each revocation."""
BACKDATED = timedelta(minutes=5)
"""Not-before of a leaf is set back by this, for clients whose clock is behind."""


@dataclass(frozen=True, eq=False, repr=False)
class Root:
    """CA key, certificate, the parents (root-ward) of a subordinate CA, and the path to another root.

    Raises a `RootError` unless the key matches, the certificate may sign leaves, and the parents lead up from it.
    """

    key: PrivateKey
    certificate: x509.Certificate
    parents: tuple[x509.Certificate, ...] = ()
    cross_path: tuple[x509.Certificate, ...] = ()
    """A cross-certificate of its key by another root, and what is between that root and its anchor: its leaves are served with
    them, for clients that know only the other one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parents", tuple(self.parents))
        object.__setattr__(self, "cross_path", tuple(self.cross_path))
        _verify_root(self)

    @classmethod
    def create(
        cls,
        common_name: str,
        organization: str,
        now: datetime,
        release_date: datetime,
        *,
        lifetime: timedelta = ROOT_LIFETIME,
        key_type: KeyType = KeyType.ECDSA_P256,
    ) -> Self:
        """Make a self-signed root.

        It is valid from the release date of this software, so that a box whose clock falls back to then can still use it,
        for `lifetime` from the later of `now` and the release date: a box may boot in 1970.
        """
        from agent.pki.profile import root_certificate

        key = generate_key(key_type)
        until = max(now, release_date) + lifetime
        return cls(key, root_certificate(key, common_name, organization, release_date, until))

    @classmethod
    def from_pem(cls, certificates: bytes, key: bytes) -> Self:
        """Read back what `pem` and `key_pem` wrote. Raises a `RootError` or a `ChainError`."""
        certificate, *parents = load_certificates(certificates)
        return cls(load_key(key), certificate, tuple(parents))

    def pem(self) -> bytes:
        """Return the root's certificate, then its parents."""
        from cryptography.hazmat.primitives.serialization import Encoding

        return b"".join(each.public_bytes(Encoding.PEM) for each in (self.certificate, *self.parents))

    def key_pem(self) -> bytes:
        """Return the private key as PKCS#8, only for sealing."""
        return key_pem(self.key)

    @cached_property
    def subject(self) -> str:
        """Common name of the certificate, else its organization."""
        from agent.pki.certificate import title_of

        return title_of(self.certificate)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the certificate's DER form, lower-case hex."""
        from agent.pki.certificate import sha256_of

        return sha256_of(self.certificate)

    @cached_property
    def key_id(self) -> str | None:
        """Subject key identifier in hex: what `authority_key_id` of its leaves says."""
        from agent.pki.certificate import key_id_of

        return key_id_of(self.certificate)

    @cached_property
    def key_type(self) -> KeyType:
        """Type of its key."""
        from agent.pki.key import key_type_of

        return key_type_of(self.key.public_key())

    @property
    def not_before(self) -> datetime:
        """Beginning of the certificate's validity, UTC."""
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """End of the certificate's validity, UTC."""
        return self.certificate.not_valid_after_utc

    @property
    def usable_until(self) -> datetime:
        """The earliest end over the certificate and its parents, UTC: no leaf outlives it."""
        return min(each.not_valid_after_utc for each in (self.certificate, *self.parents))

    @cached_property
    def anchor(self) -> x509.Certificate | None:
        """The self-signed certificate that clients trust; None where a subordinate CA came without it."""
        from agent.pki.certificate import is_self_signed

        top = (self.certificate, *self.parents)[-1]
        return top if is_self_signed(top) else None

    @property
    def path_to_anchor(self) -> tuple[x509.Certificate, ...]:
        """Certificates between its leaves and the anchor: none for an own root, itself and its parents for a subordinate CA."""
        path = (self.certificate, *self.parents)
        return path if self.anchor is None else path[:-1]

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """Certificates that its leaves are served with: an own root's cross path, a subordinate CA itself and its parents.

        Not both: OpenSSL and GnuTLS follow the first issuer that was sent, and look at no other one.
        """
        return self.path_to_anchor or self.cross_path

    def issue(
        self,
        names: Sequence[str],
        key_type: KeyType,
        purpose: Purpose,
        now: datetime,
        lifetime: timedelta = LEAF_LIFETIME,
        *,
        key: PrivateKey | None = None,
    ) -> Chain:
        """Sign a leaf for canonical `names` and a new key (or `key`). Raises `RootExpired` and `NamesMissing`."""
        _verify_it_can_sign(self, names, now)
        key = key or generate_key(key_type)
        sent_until = min((each.not_valid_after_utc for each in self.intermediates), default=self.usable_until)
        leaf = self._sign(key.public_key(), names, (purpose,), now, lifetime, sent_until)
        return Chain(key=key, leaf=leaf, intermediates=self.intermediates, anchor=self.anchor)

    def sign_request(
        self,
        csr: bytes,
        names: Sequence[str],
        purposes: Purpose | Collection[Purpose],
        now: datetime,
        lifetime: timedelta = LEAF_LIFETIME,
    ) -> PeerCertificate:
        """Sign a leaf for the key of a PEM request (RFC 2986). Its names are `names`, whatever the request says.

        It outlives the cross path where that ends first: who carries it to its device can't do so as often as services are given
        new chains, and the root itself is known to those who verify it.

        Raises `RequestInvalid`, `RootExpired`, `NamesMissing`, and `WeakKey` or `KeyUnsupported` for the request's key.
        """
        from agent.pki.signing_request import load_request

        _verify_it_can_sign(self, names, now)
        wanted = (purposes,) if isinstance(purposes, Purpose) else tuple(sorted(set(purposes)))
        leaf = self._sign(load_request(csr), names, wanted, now, lifetime, self.usable_until)
        return PeerCertificate(leaf=leaf, intermediates=self.intermediates, anchor=self.anchor)

    @property
    def lists_revoked(self) -> bool:
        """Whether it may sign lists of revoked certificates (RFC 5280 section 4.2.1.3)."""
        from cryptography import x509

        from agent.pki.certificate import extension

        usage = extension(self.certificate, x509.KeyUsage)
        return usage is None or usage.crl_sign

    def list_revoked(self, entries: Iterable[Revocation], number: int, now: datetime) -> RevocationList:
        """Sign a list of revoked certificates (RFC 5280 section 5). Where it may not sign one, the list has no PEM."""
        from cryptography.hazmat.primitives.serialization import Encoding

        from agent.pki.profile import revocation_list

        listed = sorted(entries, key=lambda each: (each.at, each.serial))
        serials = tuple(sorted(each.serial for each in listed))
        until = min(now + LIST_LIFETIME, self.usable_until)
        if not self.lists_revoked or until <= now:
            return RevocationList(self.sha256, number, now, until, serials, "")
        made = revocation_list(self.key, self.certificate, listed, number, now, until)
        return RevocationList(self.sha256, number, now, until, serials, made.public_bytes(Encoding.PEM).decode())

    def _sign(
        self,
        public_key: CertificatePublicKeyTypes,
        names: Sequence[str],
        purposes: Sequence[Purpose],
        now: datetime,
        lifetime: timedelta,
        last: datetime,
    ) -> x509.Certificate:
        """Sign a leaf that ends at `last` at the latest.

        One made before the root's not-before, by a clock that is behind, begins with the root.
        """
        from agent.pki.profile import leaf_certificate

        begin = max(now - BACKDATED, self.not_before)
        end = min(max(now, begin) + lifetime, begin + LONGEST_LEAF, last, self.usable_until)
        return leaf_certificate(self.key, self.certificate, public_key, names, purposes, begin, end)

    def __repr__(self) -> str:
        return f"<Root {self.sha256[:12]} {self.subject} until {rfc3339(self.not_after)}>"


def _verify_it_can_sign(root: Root, names: Sequence[str], now: datetime) -> None:
    if not names:
        raise NamesMissing
    if now >= root.usable_until:
        raise RootExpired(root.subject, root.usable_until)


def _verify_root(root: Root) -> None:
    from agent.pki.path import verify_authorities, verify_links, verify_pair, verify_strength, why_not_an_issuer

    if reason := why_not_an_issuer(root.certificate, 0):
        raise RootMayNotSign(root.subject, reason)
    try:
        verify_pair(root.key, root.certificate)
    except KeyMismatch:
        raise RootKeyMismatch(root.subject) from None
    try:
        for certificate in (root.certificate, *root.parents):
            verify_strength(certificate)
        verify_links((root.certificate, *root.parents))
        verify_authorities((root.certificate, *root.parents))
    except ChainError as error:
        raise RootParentsWrong(root.subject, error.problem.cause) from error
