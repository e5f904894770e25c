"""Encoding of chains in the parts and formats that modules declare, and decoding."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from agent.errors.chain import ContentUnexpected, KeyMismatch, NotEncodable
from agent.pki.chain import Chain, load_certificates, load_key
from agent.pki.key import load_der_key, usable_key
from agent.pki.pem import blocks, certificate_blocks, is_torn, key_blocks

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from agent.pki.chain import CertificationPath
    from agent.pki.private_key import PrivateKey

    KeyAndCertificates: TypeAlias = tuple[PrivateKey | None, tuple[x509.Certificate, ...]]

KeyFormat = Literal["pkcs8", "traditional"]


class Part(StrEnum):
    """Part of a chain."""

    KEY = "key"
    LEAF = "leaf"
    INTERMEDIATES = "intermediates"
    FULLCHAIN = "fullchain"
    """Leaf, then intermediates."""
    ROOT = "root"
    """Nothing where the root is not known."""
    CA = "ca"
    """Intermediates, then the root where it is known."""


class Format(StrEnum):
    """Format of a file with parts of a chain."""

    PEM = "pem"
    """RFC 7468; parts one after the other."""
    DER = "der"
    """Exactly one key or certificate."""
    PKCS12 = "pkcs12"
    """RFC 7292: the leaf, and its key and other certificates where they are among the parts. Differs each time."""


WITH_LEAF = frozenset({Part.LEAF, Part.FULLCHAIN})


def encode(
    chain: CertificationPath,
    parts: Sequence[Part],
    format: Format = Format.PEM,  # noqa: A002
    *,
    key_format: KeyFormat = "pkcs8",
    index: int | None = None,
    password: bytes | None = None,
) -> bytes:
    """Return the bytes of one file.

    `index` picks one certificate of the one part; `password` protects PKCS#12 only. Raises `NotEncodable` where the parts
    don't go together with the format, or `chain` has no key.
    """
    if index is not None:
        return _one_certificate(chain, parts, format, index)
    if format is Format.PKCS12:
        return _pkcs12(chain, parts, password)
    pieces = [piece for part in parts for piece in _pieces(chain, part, format, key_format)]
    if format is Format.DER and len(pieces) != 1:
        raise NotEncodable(parts, format, f"it holds exactly one key or certificate, and these are {len(pieces)}")
    return b"".join(pieces)


def each_certificate(chain: CertificationPath, part: Part) -> tuple[x509.Certificate, ...]:
    """Return the certificates of `part` in order, none for the key."""
    root = (chain.anchor,) if chain.anchor else ()
    certificates: dict[Part, tuple[x509.Certificate, ...]] = {
        Part.KEY: (),
        Part.LEAF: (chain.leaf,),
        Part.INTERMEDIATES: chain.intermediates,
        Part.FULLCHAIN: chain.presented,
        Part.ROOT: root,
        Part.CA: (*chain.intermediates, *root),
    }
    return certificates[part]


def _one_certificate(chain: CertificationPath, parts: Sequence[Part], format_: Format, index: int) -> bytes:
    if len(parts) != 1 or format_ is Format.PKCS12:
        raise NotEncodable(parts, format_, "an index picks one certificate of exactly one part, in pem or der")
    certificates = each_certificate(chain, parts[0])
    if not 0 <= index < len(certificates):
        raise NotEncodable(
            parts, format_, f"index {index} is asked for, and there are {len(certificates)} certificates"
        )
    return certificates[index].public_bytes(_encoding(format_))


def _pieces(chain: CertificationPath, part: Part, format_: Format, key_format: KeyFormat) -> list[bytes]:
    if part is Part.KEY:
        return [_key_bytes(_key_of(chain, format_), format_, key_format)]
    return [certificate.public_bytes(_encoding(format_)) for certificate in each_certificate(chain, part)]


def _encoding(format_: Format) -> Encoding:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER if format_ is Format.DER else Encoding.PEM


def _key_of(chain: CertificationPath, format_: Format) -> PrivateKey:
    if not isinstance(chain, Chain):
        raise NotEncodable([Part.KEY], format_, "the certificate was signed for someone else's key")
    return chain.key


def _key_bytes(key: PrivateKey, format_: Format, key_format: KeyFormat) -> bytes:
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    form = PrivateFormat.PKCS8 if key_format == "pkcs8" else PrivateFormat.TraditionalOpenSSL
    try:
        return key.private_bytes(_encoding(format_), form, NoEncryption())
    except ValueError:  # Ed25519 has no traditional form
        raise NotEncodable([Part.KEY], format_, "keys of this type have no traditional form, only pkcs8") from None


def _pkcs12(chain: CertificationPath, parts: Sequence[Part], password: bytes | None) -> bytes:
    from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

    from agent.pki.pkcs12 import protected

    key = _key_of(chain, Format.PKCS12) if Part.KEY in parts else None
    certificates = dict.fromkeys(certificate for part in parts for certificate in each_certificate(chain, part))
    leaf = chain.leaf if chain.leaf in certificates else None
    if leaf is None:
        raise NotEncodable(parts, Format.PKCS12, "the leaf must be among them")
    others = [certificate for certificate in certificates if certificate != leaf]
    title = (chain.names or ("chain",))[0].encode()
    if password:
        return protected(title, key, leaf, others, password)
    return pkcs12.serialize_key_and_certificates(title, key, leaf, others or None, NoEncryption())


def decode_parts(
    data: bytes,
    parts: Sequence[Part],
    format: Format = Format.PEM,  # noqa: A002
    *,
    password: bytes | None = None,
) -> KeyAndCertificates:
    """Read back what `encode` wrote, as `(key, certificates)`.

    Raises a `ChainError` that says what is wrong: damaged, a declared part is missing, there is a key where none was
    declared, or the key doesn't belong to the leaf. No message holds anything of the key.
    """
    if format is Format.PKCS12:
        key, certificates = _read_pkcs12(data, parts, password)
    elif format is Format.DER:
        key, certificates = _read_der(data, parts)
    else:
        key, certificates = _read_pem(data, parts)
    _check_content(key, certificates, parts, format)
    return key, certificates


def _read_pem(data: bytes, parts: Sequence[Part]) -> KeyAndCertificates:
    if is_torn(data) or (data.strip() and not blocks(data)):
        raise ContentUnexpected(parts, Format.PEM, "it is damaged or not PEM text")
    key = load_key(data) if key_blocks(data) else None
    return key, load_certificates(data) if certificate_blocks(data) else ()


def _read_der(data: bytes, parts: Sequence[Part]) -> KeyAndCertificates:
    from agent.pki.certificate import load_der_certificate

    if Part.KEY in parts:
        return load_der_key(data), ()
    return None, (load_der_certificate(data),)


def _read_pkcs12(data: bytes, parts: Sequence[Part], password: bytes | None) -> KeyAndCertificates:
    from cryptography.hazmat.primitives.serialization import pkcs12

    try:
        content = pkcs12.load_pkcs12(data, password)
    except ValueError:
        raise ContentUnexpected(parts, Format.PKCS12, "it is damaged or has another password") from None
    first = (content.cert,) if content.cert else ()
    certificates = tuple(item.certificate for item in (*first, *content.additional_certs))
    return usable_key(content.key) if content.key else None, certificates


def _check_content(
    key: PrivateKey | None, certificates: Sequence[x509.Certificate], parts: Sequence[Part], format_: Format
) -> None:
    if key is None and Part.KEY in parts:
        raise ContentUnexpected(parts, format_, "there is no private key")
    if key is not None and Part.KEY not in parts:
        raise ContentUnexpected(parts, format_, "there is a private key in it")
    if not WITH_LEAF.intersection(parts):
        return
    if not certificates:
        raise ContentUnexpected(parts, format_, "there is no certificate")
    if key is not None:
        _check_pair(key, certificates, parts)


def _check_pair(key: PrivateKey, certificates: Sequence[x509.Certificate], parts: Sequence[Part]) -> None:
    """Check key and leaf. The leaf is the first certificate, unless others were declared before it."""
    from agent.pki.certificate import public_key_of, title_of

    first = next(part for part in parts if part is not Part.KEY)
    leaves = certificates[:1] if first in WITH_LEAF else certificates
    if key.public_key() not in map(public_key_of, leaves):
        raise KeyMismatch([title_of(leaf) for leaf in leaves])
