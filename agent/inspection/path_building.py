"""Path building from a leaf to its root, with given and known certificates (RFC 4158 section 2.4: backtracking)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from agent.errors.chain import SignatureInvalid
from agent.errors.upload import ChainIncomplete, ParentsMissing
from agent.pki.anchors import Anchors
from agent.pki.certificate import (
    extension,
    identifies_issuer,
    is_self_issued,
    is_self_signed,
    names_as_issuer,
    public_key_of,
    sha256_of,
    short,
    title_of,
    verifies,
)
from agent.pki.certificate_checks import by_extensions, by_purpose, by_purpose_of_root, by_strength
from agent.pki.name_constraints import forbidden
from agent.pki.path import has_constraints, verify_strength, why_not_an_issuer
from agent.pki.purpose import Purpose

LONGEST_URL = 200


@dataclass(frozen=True, slots=True)
class BuiltPath:
    """A leaf, its intermediates, and its root."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    root: x509.Certificate | None
    """None: the leaf is self-signed, or the last intermediate is known itself."""


def find_path(
    leaf: x509.Certificate,
    given: Iterable[x509.Certificate],
    anchors: Anchors,
    now: datetime,
    refusal: type[ChainIncomplete] | type[ParentsMissing] = ChainIncomplete,
) -> BuiltPath:
    """Return the path from `leaf` to a self-signed certificate, given or known.

    Of issuers with the same key, those that clients take at `now` and that fit the authority key identifier come first, then
    the given ones before the known ones, then those that a known root signed, then those that are valid longest. A given
    self-signed certificate need not be known: roots of private authorities are uploaded with the chain. Raises `refusal`,
    which names the first issuer that is missing, or a `ChainError`.
    """
    search = _PathSearch(list(given), anchors, now)
    path = search.run(leaf)
    if path is None:
        raise _why_not(search.highest, search.namesake, refusal)
    root = path.pop() if len(path) > 1 and is_self_signed(path[-1]) else None
    return BuiltPath(path[0], tuple(path[1:]), root)


class _PathSearch:
    """Depth-first search that visits each certificate once: a dead end is one by any path."""

    def __init__(self, given: Sequence[x509.Certificate], anchors: Anchors, now: datetime) -> None:
        self._given = given
        self._anchors = anchors
        self._now = now
        self._known: set[x509.Certificate] = set()
        self.highest: x509.Certificate | None = None
        """Certificate at which the search first came to an end."""
        self.namesake: x509.Certificate | None = None
        """Certificate with the name of its issuer that did not sign it."""

    def run(self, leaf: x509.Certificate) -> list[x509.Certificate] | None:
        path, waiting, visited = [leaf], [self._issuers([leaf])], {leaf}
        while path and not is_self_signed(path[-1]):
            issuer = next((each for each in waiting[-1] if each not in visited), None)
            if issuer is not None:
                path.append(issuer)
                waiting.append(self._issuers(path))
                visited.add(issuer)
            elif path[-1] in self._known:  # an intermediate that the administrator trusts
                break
            else:
                self._note(path.pop())
                waiting.pop()
        return path or None

    def _issuers(self, path: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
        """Yield issuers of the last one, the best first; known ones are loaded only where the given ones lead to no root."""
        path, certificate = tuple(path), path[-1]
        given = self._signers(certificate, self._given)
        yield from (each for each in given if self._fits(path, each))
        known = self._signers(certificate, self._anchors.named(certificate.issuer))
        self._known.update(known)
        yield from (each for each in known if self._fits(path, each))
        yield from (each for each in (*given, *known) if self._is_valid(each) and identifies_issuer(certificate, each))
        yield from (each for each in (*given, *known) if self._is_valid(each))
        yield from given
        yield from known

    def _signers(self, certificate: x509.Certificate, among: Sequence[x509.Certificate]) -> list[x509.Certificate]:
        named = [each for each in among if each != certificate and names_as_issuer(certificate, each)]
        signers = [each for each in named if verifies(certificate, each)]
        if not signers and self.namesake is None and self.highest is None:
            self.namesake = next((each for each in named if identifies_issuer(certificate, each)), None)
        return sorted(signers, key=self._rank, reverse=True) if len(signers) > 1 else signers

    def _rank(self, issuer: x509.Certificate) -> tuple[bool, datetime, str]:
        """Return the order among issuers with the same key."""
        above = self._anchors.named(issuer.issuer)
        leads_on = issuer in above or any(verifies(issuer, each) for each in above if self._is_valid(each))
        return leads_on, issuer.not_valid_after_utc, sha256_of(issuer)

    def _fits(self, path: Sequence[x509.Certificate], issuer: x509.Certificate) -> bool:
        """Whether an issuer is the one that the authority key identifier means, and clients take it above `path`."""
        if not self._is_valid(issuer) or not identifies_issuer(path[-1], issuer):
            return False
        below = sum(not is_self_issued(each) for each in path[1:])
        if is_self_signed(issuer):
            objections = by_purpose_of_root(issuer, Purpose.SERVER)
            may_sign = not has_constraints(issuer) or not why_not_an_issuer(issuer, below)
        else:
            objections = by_purpose(issuer, Purpose.SERVER)
            may_sign = not why_not_an_issuer(issuer, below)
        found = chain(objections, by_strength(issuer), by_extensions(issuer), forbidden((*path, issuer)))
        return may_sign and next(found, None) is None

    def _is_valid(self, certificate: x509.Certificate) -> bool:
        return certificate.not_valid_before_utc <= self._now < certificate.not_valid_after_utc

    def _note(self, certificate: x509.Certificate) -> None:
        if self.highest is None:
            self.highest = certificate


def _why_not(
    highest: x509.Certificate | None,
    namesake: x509.Certificate | None,
    refusal: type[ChainIncomplete] | type[ParentsMissing],
) -> Exception:
    assert highest is not None
    if namesake is not None and names_as_issuer(highest, namesake):
        verify_strength(highest)  # what is too weak is not verified at all
        public_key_of(namesake)  # nor is anything with a key that is none
        return SignatureInvalid(title_of(highest), title_of(namesake))
    return refusal(title_of(highest), short(highest.issuer), issuer_url(highest))


def issuer_url(certificate: x509.Certificate) -> str:
    """Return the URL of the issuer's certificate (RFC 5280 section 4.2.2.1), empty where there is none."""
    access = extension(certificate, x509.AuthorityInformationAccess)
    for description in access or ():
        value = description.access_location.value
        if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS and _is_url(value):
            return str(value)
    return ""


def _is_url(value: object) -> bool:
    return (
        isinstance(value, str)
        and value.startswith(("http://", "https://"))
        and len(value) <= LONGEST_URL
        and value.isascii()
        and value.isprintable()
    )
