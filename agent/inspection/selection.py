"""Selection of key and certificate, where several were given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.errors.chain import NoLeaf, UnusedCertificates
from agent.errors.upload import (
    BY_NAME,
    SEPARATELY,
    CertificateMissing,
    KeyMissing,
    NoKeyFits,
    PairMismatch,
    StrayKey,
    TwoCertificates,
    TwoChains,
)
from agent.inspection.material import FoundKey, Material
from agent.pki.certificate import has_key, is_authority, names_of, public_key_of, title_of
from agent.pki.key import key_type_of
from agent.system.names import covers, parse_name

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

SHOWN_BYTES = 8
"""Bytes of a public key's SHA-256 that a message shows."""


@dataclass(frozen=True, slots=True)
class SelectedPair:
    """Key and certificate that match, and all other certificates."""

    key: PrivateKey
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    older: tuple[x509.Certificate, ...]
    """Certificates for the same names that are not the best one."""
    left: tuple[str, ...]
    """Titles of certificates that have their keys here too, and are not the one that is good now or asked for."""


@dataclass(frozen=True, slots=True)
class _Pair:
    found: FoundKey
    certificate: x509.Certificate

    def covers(self, name: str) -> bool:
        """Whether the certificate is good for a canonical name."""
        return any(covers(pattern, name) for pattern in names_of(self.certificate))

    def good(self, now: datetime) -> bool:
        """Whether the certificate is valid at `now`."""
        return self.certificate.not_valid_before_utc <= now < self.certificate.not_valid_after_utc

    def rank(self, now: datetime) -> tuple[bool, bool, datetime, datetime]:
        """Return the order among pairs for one thing: valid now, not self-signed as before the real one came, the newest."""
        certificate = self.certificate
        signed = certificate.subject != certificate.issuer
        return self.good(now), signed, certificate.not_valid_after_utc, certificate.not_valid_before_utc


def select_pair(material: Material, *, authority: bool, now: datetime, wanted: str = "") -> SelectedPair:
    """Return key and certificate, of an authority for a root, else of a service.

    Of several pairs it is the one that covers the name `wanted`, and that is valid now. Raises an `UploadError` where that isn't
    one.
    """
    if not material.keys:
        raise KeyMissing(material.given)
    if not material.certificates:
        raise CertificateMissing(material.given)
    pairs = [_Pair(found, each) for found in material.keys for each in _own(found.key, material.certificates)]
    if not pairs:
        raise _mismatch(material, authority=authority)
    if stray := [found for found in material.keys if not any(pair.found is found for pair in pairs)]:
        raise StrayKey(stray[0].place, title_of(pairs[0].certificate), pairs[0].found.place)
    same = _meant(pairs, authority=authority, now=now, wanted=wanted)
    best, *older = sorted(same, key=lambda pair: pair.rank(now), reverse=True)
    left = [each for each in pairs if each not in same]
    kept = [each for each in material.certificates if each not in {pair.certificate for pair in same}]
    others = [each for each in kept if is_authority(each) or each not in {pair.certificate for pair in left}]
    return SelectedPair(
        best.found.key,
        best.certificate,
        tuple(others),
        tuple(each.certificate for each in older),
        tuple(title_of(each.certificate) for each in left if each.certificate not in others),
    )


def _meant(pairs: Sequence[_Pair], *, authority: bool, now: datetime, wanted: str) -> list[_Pair]:
    """Return the pairs for the one thing that is meant. Raises `TwoChains` and `TwoCertificates`."""
    meant = [each for each in pairs if is_authority(each.certificate) is authority] or list(pairs)
    if wanted:
        name = parse_name(wanted)
        exact = [each for each in meant if name in names_of(each.certificate)]
        meant = exact or [each for each in meant if each.covers(name)] or meant
    good = [each for each in meant if each.good(now)] or meant
    things = {_thing(each.certificate, authority=authority) for each in good}
    if len(things) == 1:
        return [each for each in pairs if _thing(each.certificate, authority=authority) in things]
    kind = TwoChains if len({id(each.found) for each in good}) > 1 else TwoCertificates
    by_name = not authority and len({frozenset(names_of(each.certificate)) for each in good}) > 1
    raise kind(_titles(good), BY_NAME if by_name else SEPARATELY)


def _titles(pairs: Sequence[_Pair]) -> list[str]:
    """Return what tells the pairs from each other: the title, with the type of the key where that is the same."""
    titles = [title_of(each.certificate) for each in pairs]
    if len(set(titles)) == len(titles):
        return titles
    return [f"{title} ({key_type_of(each.found.key.public_key())})" for title, each in zip(titles, pairs, strict=True)]


def _thing(certificate: x509.Certificate, *, authority: bool) -> tuple[object, ...]:
    """Return what a certificate is for: two for the same are an older and a newer one."""
    if authority:
        return (certificate.subject,)
    return (is_authority(certificate), frozenset(names_of(certificate)), certificate.public_key_algorithm_oid)


def refuse_strangers(title: str, certificates: Sequence[x509.Certificate]) -> None:
    """Raise where another service's certificate is among the unused ones; unused authorities do no harm."""
    strangers = [title_of(each) for each in certificates if not is_authority(each)]
    if strangers:
        raise UnusedCertificates(title, strangers)


def short_digest(public_key: object) -> str:
    """Return the first bytes of the SHA-256 of a public key as certificates hold it."""
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return hashlib.sha256(der).digest()[:SHOWN_BYTES].hex(":").upper()


def _own(key: PrivateKey, certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    public_key = key.public_key()
    return [each for each in certificates if has_key(each, public_key)]


def _mismatch(material: Material, *, authority: bool) -> Exception:
    meant = [each for each in material.certificates if is_authority(each) is authority]
    if not meant and not authority:
        return NoLeaf([title_of(each) for each in material.certificates])
    certificate = (meant or material.certificates)[0]
    if len(material.keys) > 1:
        return NoKeyFits([found.place for found in material.keys], title_of(certificate))
    of_certificate = short_digest(public_key_of(certificate))
    return PairMismatch(title_of(certificate), of_certificate, short_digest(material.keys[0].key.public_key()))
