"""Certification paths: building from loose certificates (RFC 4158) and verification (RFC 5280 section 6).

Only what never changes is verified here. Binding and preflight check names, validity and purposes at their `now`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from agent.errors.chain import (
    IssuerMayNotSign,
    IssuerMissing,
    KeyMismatch,
    LeafIsAuthority,
    NoLeaf,
    SignatureInvalid,
    UnusedCertificates,
    WeakKey,
    WeakSignature,
    WrongIssuer,
)
from agent.pki.certificate import (
    extension,
    has_key,
    identifies_issuer,
    is_authority,
    is_self_issued,
    is_self_signed,
    names_as_issuer,
    public_key_of,
    sha256_of,
    short,
    title_of,
    verifies,
)
from agent.pki.key import SMALLEST_RSA, key_type_of

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

CertificateTuple = tuple[x509.Certificate, ...]

WEAK_DIGESTS = frozenset({"md5", "sha1"})
UNKNOWN_SIGNATURES = {
    "1.2.840.113549.1.1.2": "MD2",
    "1.2.840.113549.1.1.3": "MD4",
    "1.2.840.113549.1.1.15": "SHA-512/224",
    "1.2.840.113549.1.1.16": "SHA-512/256",
    "1.2.156.10197.1.501": "SM3",
    "1.3.36.3.3.1.2": "RIPEMD-160",
}
"""Algorithms of signatures that are known by name only. Others are called by their identifiers."""


def verify_pair(key: PrivateKey, certificate: x509.Certificate) -> None:
    """Check that `key` belongs to `certificate`. Raises `KeyMismatch`."""
    if key.public_key() != public_key_of(certificate):
        raise KeyMismatch([title_of(certificate)])


def verify_path(leaf: x509.Certificate, intermediates: CertificateTuple, anchor: x509.Certificate | None) -> None:
    """Check a path in the order in which it is presented. Raises a `ChainError` that names the certificate."""
    key_type_of(public_key_of(leaf), title=title_of(leaf))
    if is_authority(leaf) and not is_self_signed(leaf):
        raise LeafIsAuthority(title_of(leaf))
    for certificate in (leaf, *intermediates):
        verify_strength(certificate)
    presented = (leaf, *intermediates)
    if anchor is None:
        verify_links(presented)
        verify_authorities(intermediates)
        return
    below = presented[: signed_below(presented, anchor)]
    verify_links((*below, anchor))
    verify_authorities((*below[1:], anchor) if has_constraints(anchor) else below[1:])
    if below != presented:
        verify_links(presented)
        verify_authorities(intermediates)


def signed_below(presented: Sequence[x509.Certificate], anchor: x509.Certificate) -> int:
    """Return how many of the certificates that are sent a client needs that knows `anchor`: up to the one that it signed.

    What follows leads to another root, by a cross-certificate. Where it has signed none, the answer is all of them.
    """
    lengths = range(len(presented), 0, -1)
    return next((length for length in lengths if verifies(presented[length - 1], anchor)), len(presented))


def verify_strength(certificate: x509.Certificate) -> None:
    """Check the size of an RSA key, and the digest, which clients refuse at any time. Raises `WeakKey` and `WeakSignature`."""
    key = public_key_of(certificate)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA:
        raise WeakKey(key.key_size, title_of(certificate), authority=is_authority(certificate))
    digest = weak_digest_of(certificate)
    if digest and not is_self_signed(certificate):  # nobody relies on a root's signature on itself
        raise WeakSignature(title_of(certificate), digest)


def weak_digest_of(certificate: x509.Certificate) -> str | None:
    """Return the name of the signature's digest if services and clients refuse or don't know it, else None."""
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        oid = certificate.signature_algorithm_oid.dotted_string
        return UNKNOWN_SIGNATURES.get(oid, f"the algorithm {oid}")
    except ValueError:
        return "RSA-PSS with malformed parameters"
    return digest.name.upper() if digest is not None and digest.name in WEAK_DIGESTS else None


def verify_links(path: CertificateTuple) -> None:
    """Check that each certificate is signed by the next one, and a single self-issued one by itself.

    Raises `WrongIssuer` and `SignatureInvalid`.
    """
    for certificate, issuer in pairwise(path):
        if verifies(certificate, issuer):
            continue
        if names_as_issuer(certificate, issuer) and identifies_issuer(certificate, issuer):
            public_key_of(issuer)  # one that is none verifies nothing
            raise SignatureInvalid(title_of(certificate), title_of(issuer))
        raise WrongIssuer(title_of(certificate), short(certificate.issuer), title_of(issuer))
    top = path[0]
    if len(path) == 1 and is_self_issued(top) and not verifies(top, top):
        raise SignatureInvalid(title_of(top), title_of(top))


def verify_authorities(issuers: Sequence[x509.Certificate]) -> None:
    """Check that each of `issuers`, leaf-ward first, may sign the one before it. Raises `IssuerMayNotSign`."""
    below = 0
    for issuer in issuers:
        if reason := why_not_an_issuer(issuer, below):
            raise IssuerMayNotSign(title_of(issuer), reason)
        below += not is_self_issued(issuer)  # self-issued ones don't count (RFC 5280 section 4.2.1.9)


def why_not_an_issuer(certificate: x509.Certificate, below: int) -> str:
    """Return why it may not sign with `below` authorities between it and the leaf; empty where it may (RFC 5280 6.1.4)."""
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return "it is not a certificate authority (basicConstraints)"
    usage = extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return "its key usage does not include keyCertSign"
    if constraints.path_length is not None and below > constraints.path_length:
        allowed = f"{constraints.path_length or 'no'} {'authority' if constraints.path_length == 1 else 'authorities'}"
        return f"it allows {allowed} below itself (path length), and there {'is' if below == 1 else 'are'} {below}"
    return ""


def has_constraints(certificate: x509.Certificate) -> bool:
    """Whether it says if it is a CA; a version 1 root can't, and is trusted for being known."""
    return extension(certificate, x509.BasicConstraints) is not None


def build_path(
    key: PrivateKey, certificates: Iterable[x509.Certificate], anchors: Iterable[x509.Certificate] = ()
) -> tuple[x509.Certificate, CertificateTuple, x509.Certificate | None]:
    """Find the leaf by its key, and order the rest behind it: `(leaf, intermediates, anchor)`. Raises a `ChainError`.

    The order of `certificates` makes no difference. Where an issuer is there twice (cross-signed), the path goes by the
    one that lives longest. A self-signed root is taken off the end; without one, `anchors` is asked.
    """
    given = sorted(set(certificates), key=sha256_of)
    leaf = _find_leaf(key, given)
    path = _path_up(leaf, given)
    root = path.pop() if len(path) > 1 and is_self_signed(path[-1]) else None
    anchor = root or _issuer_among(path[-1], anchors)
    _refuse_unused(leaf, given, complete=len(path) > 1 or anchor is not None)
    return leaf, tuple(path[1:]), anchor


def _find_leaf(key: PrivateKey, given: Sequence[x509.Certificate]) -> x509.Certificate:
    public_key = key.public_key()
    own = [certificate for certificate in given if has_key(certificate, public_key)]
    if own:
        leaf = max(own, key=lambda each: (not is_authority(each), each.not_valid_after_utc))
        if is_authority(leaf) and len(given) > 1:
            raise LeafIsAuthority(title_of(leaf))
        return leaf
    leaves = [title_of(certificate) for certificate in given if not is_authority(certificate)]
    if leaves:
        raise KeyMismatch(leaves)
    raise NoLeaf([title_of(certificate) for certificate in given])


def _path_up(leaf: x509.Certificate, given: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return the path from `leaf` up to a self-signed certificate, or as far as it goes."""
    path = [leaf]
    while not is_self_signed(path[-1]):
        issuers = [each for each in given if each not in path and names_as_issuer(path[-1], each)]
        if not issuers:
            break
        signers = [issuer for issuer in issuers if verifies(path[-1], issuer)]
        if not signers:
            meant = [issuer for issuer in issuers if identifies_issuer(path[-1], issuer)]
            if not meant:
                break
            verify_strength(path[-1])  # what is too weak isn't verified at all
            raise SignatureInvalid(title_of(path[-1]), title_of(meant[0]))
        path.append(max(signers, key=lambda each: (identifies_issuer(path[-1], each), each.not_valid_after_utc)))
    return path


def _issuer_among(certificate: x509.Certificate, anchors: Iterable[x509.Certificate]) -> x509.Certificate | None:
    if is_self_signed(certificate):
        return None
    roots = (anchor for anchor in anchors if is_self_issued(anchor))
    return next((root for root in roots if verifies(certificate, root)), None)


def _refuse_unused(leaf: x509.Certificate, given: Sequence[x509.Certificate], *, complete: bool) -> None:
    related = _related(leaf, given)
    unused = [certificate for certificate in given if certificate not in related]
    if not unused:
        return
    titles = [title_of(certificate) for certificate in unused]
    if not complete and not is_self_signed(leaf) and any(is_authority(certificate) for certificate in unused):
        raise IssuerMissing(title_of(leaf), short(leaf.issuer), titles)
    raise UnusedCertificates(title_of(leaf), titles)


def _related(leaf: x509.Certificate, given: Sequence[x509.Certificate]) -> set[x509.Certificate]:
    """Return all that lies on any path from `leaf`: the twin of a cross-signed issuer is not a stranger."""
    related: set[x509.Certificate] = set()
    waiting = [leaf]
    while waiting:
        certificate = waiting.pop()
        if certificate not in related:
            related.add(certificate)
            named = [each for each in given if names_as_issuer(certificate, each)]
            waiting += [each for each in named if identifies_issuer(certificate, each) or verifies(certificate, each)]
    return related
