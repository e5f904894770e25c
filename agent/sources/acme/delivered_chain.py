"""The chain in what a CA delivers: put into order and completed. What the engine compares for every source isn't looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors.chain import ChainError
from agent.errors.wording import few
from agent.pki.certificate import has_key, is_self_signed, load_certificates, names_as_issuer, title_of, verifies
from agent.pki.chain import Chain

if TYPE_CHECKING:
    from cryptography import x509

    from agent.pki.anchors import Anchors
    from agent.pki.private_key import PrivateKey


MOST_CERTIFICATES = 100
"""Clients give up on a longer path; building one takes a time that grows with the square."""


class NotAsOrdered(Exception):
    """What is wrong with a delivery: one clause, and the error that says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


@dataclass(frozen=True)
class Delivered:
    """A chain that a CA delivered, as it can be served."""

    chain: Chain
    known: bool
    """It leads to a certificate that this machine trusts."""
    mended: str = ""
    """What the CA did wrong that does no harm; a clause."""


def read_delivery(pem: str, key: PrivateKey, anchors: Anchors, earlier: Sequence[x509.Certificate] = ()) -> Delivered:
    """Return the chain that a CA delivered for `key`. Raises `NotAsOrdered`.

    RFC 8555 section 9.1 wants the leaf first and each issuer after what it signed. Another order, duplicates, and certificates
    that belong to nothing are mended; a root at the end is not served. Where an issuer is missing that is among `anchors`, or
    `earlier`, the intermediates of the chain before, it is added.
    """
    try:
        given = load_certificates(pem.encode())
        if len(set(given)) > MOST_CERTIFICATES:
            raise NotAsOrdered(f"it holds more than {MOST_CERTIFICATES} certificates")
        chain = _completed(_ordered(key, given), anchors, earlier)
    except ChainError as error:
        raise NotAsOrdered(error.problem.cause.rstrip("."), error.problem.detail) from error
    return Delivered(chain, _is_known(chain, anchors), _mended(given, chain))


def _ordered(key: PrivateKey, given: Sequence[x509.Certificate]) -> Chain:
    """Return the chain as it is given where that is in order: with cross-signed issuers, the way is the CA's choice."""
    unique = tuple(dict.fromkeys(given))
    leaf, *issuers = unique
    anchor = issuers.pop() if issuers and is_self_signed(issuers[-1]) else None
    try:
        return Chain(key=key, leaf=leaf, intermediates=tuple(issuers), anchor=anchor)
    except ChainError:
        return Chain.build(key, _related(key, unique))


def _related(key: PrivateKey, given: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return the certificates of `key` and all above them; without any of that key, everything."""
    public_key = key.public_key()
    related = [each for each in given if has_key(each, public_key)]
    for certificate in related:  # grows meanwhile
        related += [each for each in given if each not in related and names_as_issuer(certificate, each)]
    return related or list(given)


def _completed(chain: Chain, anchors: Anchors, earlier: Sequence[x509.Certificate]) -> Chain:
    """Return the chain with what is missing above it, as far as that is known."""
    intermediates, anchor = list(chain.intermediates), chain.anchor
    while anchor is None:
        top = intermediates[-1] if intermediates else chain.leaf
        issuer = None if top in anchors else _issuer_of(top, [*anchors.named(top.issuer), *earlier])
        if issuer is None or issuer == top or issuer in intermediates:
            break
        if is_self_signed(issuer):
            anchor = issuer
        else:
            intermediates.append(issuer)
    if (tuple(intermediates), anchor) == (chain.intermediates, chain.anchor):
        return chain
    return Chain(key=chain.key, leaf=chain.leaf, intermediates=tuple(intermediates), anchor=anchor)


def _issuer_of(certificate: x509.Certificate, known: Iterable[x509.Certificate]) -> x509.Certificate | None:
    """Return who signed `certificate`: a root rather than one that leads on."""
    signers = [each for each in known if names_as_issuer(certificate, each) and verifies(certificate, each)]
    return min(signers, key=lambda each: not is_self_signed(each), default=None)


def _is_known(chain: Chain, anchors: Anchors) -> bool:
    return any(each in anchors for each in (chain.anchor, *chain.presented) if each is not None)


def _mended(given: Sequence[x509.Certificate], chain: Chain) -> str:
    """Return what had to be mended; a root at the end is nothing of the kind."""
    unique = list(dict.fromkeys(given))
    path = [*chain.presented, *([chain.anchor] if chain.anchor else [])]
    foreign = [title_of(each) for each in unique if each not in path]
    added = [title_of(each) for each in chain.intermediates if each not in unique]
    found = {
        "some of it twice": len(unique) < len(given),
        "in the wrong order": [each for each in unique if each in path] != [each for each in path if each in unique],
        f"with {few(foreign)}, which is left out": bool(foreign),
        f"without {few(added)}, which is added": bool(added),
    }
    return ", ".join(clause for clause, is_so in found.items() if is_so)
