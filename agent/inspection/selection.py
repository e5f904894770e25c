"""Selection of key and certificate, where several were given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.errors.chain import ChainError, NoLeaf, UnusedCertificates
from agent.errors.upload import (
    CertificateMissing,
    KeyMissing,
    NoKeyFits,
    PairMismatch,
    StrayKey,
    TwoCertificates,
    TwoChains,
)
from agent.inspection.material import Material
from agent.pki.certificate import is_authority, names_of, public_key_of, title_of

if TYPE_CHECKING:
    from agent.pki.key import PrivateKey

SHOWN_BYTES = 8
"""Bytes of a public key's SHA-256 that a message shows."""


@dataclass(frozen=True, slots=True)
class SelectedPair:
    """Key and certificate that match, and all other certificates."""

    key: PrivateKey
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    older: tuple[x509.Certificate, ...]
    """Older certificates for the same key and names."""


def select_pair(material: Material, *, authority: bool) -> SelectedPair:
    """Return key and certificate, of an authority for a root, else of a service. Raises an `UploadError`."""
    if not material.keys:
        raise KeyMissing(material.given)
    if not material.certificates:
        raise CertificateMissing(material.given)
    fitting = [(found, own) for found in material.keys if (own := _own(found.key, material.certificates))]
    if not fitting:
        raise _mismatch(material, authority=authority)
    found, own = fitting[0]
    if len(fitting) > 1:
        raise TwoChains([title_of(each[0]) for _, each in fitting])
    if len(material.keys) > 1:
        stray = next(each for each in material.keys if each is not found)
        raise StrayKey(stray.place, title_of(own[0]), found.place)
    newest, *older = _newest_first(own, authority=authority)
    others = tuple(each for each in material.certificates if each not in own)
    return SelectedPair(found.key, newest, others, tuple(older))


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
    return [each for each in certificates if _public_key(each) == public_key]


def _public_key(certificate: x509.Certificate) -> object:
    """Return the public key, None where its type is not supported, as of some roots."""
    try:
        return public_key_of(certificate)
    except ChainError:
        return None


def _mismatch(material: Material, *, authority: bool) -> Exception:
    meant = [each for each in material.certificates if is_authority(each) is authority]
    if not meant and not authority:
        return NoLeaf([title_of(each) for each in material.certificates])
    certificate = (meant or material.certificates)[0]
    if len(material.keys) > 1:
        return NoKeyFits([found.place for found in material.keys], title_of(certificate))
    of_certificate = short_digest(public_key_of(certificate))
    return PairMismatch(title_of(certificate), of_certificate, short_digest(material.keys[0].key.public_key()))


def _newest_first(own: list[x509.Certificate], *, authority: bool) -> list[x509.Certificate]:
    """Return the certificates of one key, the newest first, but self-signed ones last: they often precede the real one."""
    kind = [each for each in own if is_authority(each) is authority] or own
    found = sorted(kind, key=lambda each: (each.subject != each.issuer, each.not_valid_after_utc), reverse=True)
    if not authority and len({frozenset(names_of(each)) for each in found}) > 1:
        raise TwoCertificates([title_of(each) for each in found])
    return found
