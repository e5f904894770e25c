"""Kinds of ASN.1 structures, told by their outer shape before a parser opens them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import islice

from agent.pki.asn1 import (
    BIT_STRING,
    CONTEXT_0,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Asn1Error,
    Value,
    value_at,
)

TIMES = frozenset({0x17, 0x18})
"""UTCTime, GeneralizedTime."""
SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2


class EncodingKind(Enum):
    """Kind of an outer structure; the value is its name for people."""

    CERTIFICATE = "a certificate"
    KEY = "a private key"
    ENCRYPTED_KEY = "an encrypted private key"
    PKCS7 = "a PKCS#7 bundle"
    PKCS12 = "a PKCS#12 file"
    REQUEST = "a certificate signing request"
    REVOCATIONS = "a certificate revocation list"
    PUBLIC_KEY = "a public key"


def kind_of(data: bytes) -> EncodingKind | None:
    """Return the kind of the structure at the beginning of `data`; None where it is not a known one."""
    try:
        outer = value_at(data, 0)
        parts = list(islice(outer.children(), 3))
        return _kind(parts, _first(parts)) if outer.tag == SEQUENCE else None
    except Asn1Error:
        return None


def _first(parts: Sequence[Value]) -> list[Value]:
    return list(islice(parts[0].children(), 4)) if parts and parts[0].tag == SEQUENCE else []


def _kind(parts: Sequence[Value], first: Sequence[Value]) -> EncodingKind | None:
    tags = tuple(part.tag for part in parts)
    simple: dict[tuple[int, ...], EncodingKind] = {
        (SEQUENCE, BIT_STRING): EncodingKind.PUBLIC_KEY,  # RFC 5280 section 4.1
        (INTEGER, INTEGER): EncodingKind.PUBLIC_KEY,  # RFC 8017 appendix A.1.1
        (SEQUENCE, OCTET_STRING): EncodingKind.ENCRYPTED_KEY,  # RFC 5958 section 3
        (INTEGER, SEQUENCE, OCTET_STRING): EncodingKind.KEY,  # RFC 5958 section 2
        (INTEGER, INTEGER, INTEGER): EncodingKind.KEY,  # RFC 8017 appendix A.1.2; DSA's is alike
        (SEQUENCE, SEQUENCE, BIT_STRING): _signed_kind(first),
    }
    if tags in simple:
        return simple[tags]
    if tags[:2] == (INTEGER, OCTET_STRING):  # RFC 5915 section 3
        return EncodingKind.KEY
    if tags[:2] == (INTEGER, SEQUENCE) and parts[0].content == b"\x03":  # RFC 7292 section 4
        return EncodingKind.PKCS12
    return (
        EncodingKind.PKCS7 if tags == (OID, CONTEXT_0) and parts[0].content == SIGNED_DATA else None
    )  # RFC 5652 section 5.1


def _signed_kind(first: Sequence[Value]) -> EncodingKind:
    """Return which of the three structures `content, algorithm, signature` it is, by the content's first fields."""
    tags = tuple(value.tag for value in first)
    if tags[:3] == (INTEGER, SEQUENCE, SEQUENCE) and (len(tags) < 4 or tags[3] == CONTEXT_0):  # RFC 2986 section 4.1
        return EncodingKind.REQUEST
    if TIMES.intersection(tags[2:4]):  # RFC 5280 section 5.1
        return EncodingKind.REVOCATIONS
    return EncodingKind.CERTIFICATE
