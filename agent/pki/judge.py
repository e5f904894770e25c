"""Judge of chains: what clients would make of a certification path (RFC 5280 as clients practise it).

It is asked once, when a chain enters: as an upload, as a delivery of a source, or as what a root will sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from agent.errors.chain import CertificateUnreadable, ClientsRefuse, IssuerMayNotSign
from agent.errors.upload import NameNotPermitted, NoNames
from agent.errors.wording import quoted
from agent.pki.anchors import Anchors
from agent.pki.certificate import (
    compared_names_of,
    dns_names_of,
    identifies_issuer,
    is_self_signed,
    title_of,
    verifies,
)
from agent.pki.certificate_checks import (
    by_extensions,
    by_form,
    by_key_kind,
    by_odd_names,
    by_purpose,
    by_purpose_of_root,
    by_size,
    by_strength,
    by_time,
    is_for_any,
)
from agent.pki.chain import CertificationPath, Chain
from agent.pki.client_warnings import warnings_of
from agent.pki.judgement import INCOMPLETE, Judgement, Objection
from agent.pki.name_constraints import forbidden, limits_of
from agent.pki.path import has_constraints, signed_below, verify_authorities
from agent.pki.purpose import Purpose
from agent.pki.second_opinions import CRYPTOGRAPHY, OPENSSL, STRICT, Subject, of_cryptography, of_openssl

EDITION = 1
"""Grows with each release that adds a check."""

CLIENTS = {OPENSSL: OPENSSL, STRICT: STRICT, CRYPTOGRAPHY: ""}
"""Who is a client of services. cryptography's verifier stands for a profile: what it alone refuses is good to know."""


@dataclass(frozen=True, slots=True)
class TrustedPath:
    """The path that a client builds of what a service presents."""

    presented: tuple[x509.Certificate, ...]
    """Leaf first; without certificates above the one that the anchor signed."""
    anchor: x509.Certificate | None
    """None: no root is known that leads there, or the leaf is self-signed."""

    @property
    def whole(self) -> tuple[x509.Certificate, ...]:
        """All certificates, leaf first."""
        return (*self.presented, self.anchor) if self.anchor else self.presented


def judge(
    path: CertificationPath,
    *,
    purpose: Purpose,
    now: datetime,
    anchors: Anchors | Iterable[x509.Certificate] = (),
    names: Sequence[str] = (),
    others: bool = True,
) -> Judgement:
    """Return what clients make of a path at `now`. Raises `TrustUnreadable`, and nothing about the path.

    `anchors` are the roots that are known here; `names` are those that clients will ask for, by default all names of the
    leaf. Each link was verified when the path was made. Other verifiers are asked only where nothing else is found,
    and not without `others`: they take nearly all of the time, and have judged an own root before it signs.
    """
    try:
        trusted = _trusted(path, Anchors.of(anchors), now)
        refused = tuple(dict.fromkeys(_refused(trusted, purpose, now)))
        warnings = tuple(dict.fromkeys(_warnings(trusted, purpose)))
        if refused or not others:
            return Judgement(refused, warnings)
        return _with_others(path, trusted, purpose, now, names, warnings)
    except CertificateUnreadable as error:
        return Judgement((Objection.of(error, title_of(path.leaf)),))


def judge_leaf(leaf: x509.Certificate, *, purpose: Purpose, now: datetime) -> Judgement:
    """Return what every client refuses in a leaf, whatever is above it."""
    return Judgement(tuple(_refused_in_leaf(leaf, purpose, now)))


def judge_authorities(
    authorities: Sequence[x509.Certificate], *, now: datetime, purpose: Purpose | None = None
) -> Judgement:
    """Return what every client refuses in the certificate of a root, or in those above it, before it signs anything."""
    refused = [*_refused_in_any(authorities, now)]
    refused += [each for authority in authorities if purpose for each in by_purpose(authority, purpose)]
    return Judgement(tuple(refused))


def _trusted(path: CertificationPath, known: Anchors, now: datetime) -> TrustedPath:
    """Return the path to a known root that is valid; a client needs none of the certificates above the one it signed."""
    if path.anchor is not None and _is_valid(path.anchor, now):
        return TrustedPath(path.presented[: signed_below(path.presented, path.anchor)], path.anchor)
    for length in range(len(path.presented), 0, -1):
        top = path.presented[length - 1]
        if anchor := _anchor_of(top, known, now):
            return TrustedPath(path.presented[:length], anchor)
    top = path.presented[-1]
    return TrustedPath(path.presented, path.anchor or next(_signers(top, known), None))


def _anchor_of(top: x509.Certificate, known: Anchors, now: datetime) -> x509.Certificate | None:
    valid = [each for each in _signers(top, known) if _is_valid(each, now)]
    return next((each for each in valid if identifies_issuer(top, each)), next(iter(valid), None))


def _signers(top: x509.Certificate, known: Anchors) -> Iterator[x509.Certificate]:
    return (each for each in known.named(top.issuer) if each != top and verifies(top, each))


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _refused(path: TrustedPath, purpose: Purpose, now: datetime) -> Iterator[Objection]:
    leaf, *intermediates = path.presented
    yield from _refused_in_leaf(leaf, purpose, now)
    yield from by_size(path.presented)
    yield from _refused_in_any(path.whole[1:], now)
    for certificate in intermediates:
        yield from by_purpose(certificate, purpose)
    if path.anchor is not None:
        yield from by_purpose_of_root(path.anchor, purpose)
        yield from _by_authority(path.whole[1:])
    for name, authority in forbidden(path.whole):
        refusal = NameNotPermitted(name, title_of(authority), limits_of(authority))
        yield Objection.of(refusal, title_of(authority))


def _by_authority(issuers: Sequence[x509.Certificate]) -> Iterator[Objection]:
    """Yield an issuer that may not sign what is below it. A root that says nothing of it is trusted for being known."""
    try:
        verify_authorities(issuers if has_constraints(issuers[-1]) else issuers[:-1])
    except IssuerMayNotSign as error:
        yield Objection.of(error, error.issuer)


def _refused_in_leaf(leaf: x509.Certificate, purpose: Purpose, now: datetime) -> Iterator[Objection]:
    yield from by_odd_names(leaf)
    yield from _refused_in_any([leaf], now)
    yield from by_key_kind(leaf)
    yield from by_purpose(leaf, purpose)
    if not compared_names_of(leaf) and purpose is Purpose.SERVER:
        yield Objection.of(NoNames(title_of(leaf)), title_of(leaf))


def _refused_in_any(certificates: Iterable[x509.Certificate], now: datetime) -> Iterator[Objection]:
    for certificate in certificates:
        yield from by_time(certificate, now)
        yield from by_strength(certificate)
        yield from by_form(certificate)
        yield from by_extensions(certificate)


def _warnings(path: TrustedPath, purpose: Purpose) -> Iterator[Objection]:
    top, anchor = path.presented[-1], path.anchor
    if anchor is None and not is_self_signed(top):
        title = title_of(top)
        sentence = f"the issuer of {quoted(title)} is not known here, so the chain may be incomplete"
        yield Objection(INCOMPLETE, title, sentence, "")
    if anchor is not None and is_for_any(anchor, purpose):
        title = title_of(anchor)
        sentence = f"the extended key usage of the root {quoted(title)} is only any: {OPENSSL} refuses it"
        yield Objection("chain.root_for_any", title, sentence, OPENSSL)
    yield from warnings_of(path.whole)


def _with_others(
    path: CertificationPath,
    trusted: TrustedPath,
    purpose: Purpose,
    now: datetime,
    names: Sequence[str],
    warnings: tuple[Objection, ...],
) -> Judgement:
    """Return the judgement with what other verifiers say and the warnings do not explain."""
    subject = Subject(
        presented=trusted.presented,
        anchor=trusted.anchor or trusted.presented[-1],
        purpose=purpose,
        names=_literal_names(path.leaf, names),
        key=path.key if isinstance(path, Chain) else None,
    )
    title = title_of(path.leaf)
    strict = of_openssl(subject, now, strict=True)
    plain = of_openssl(subject, now) if strict else ""  # what is strict refuses all that the plain one refuses
    words = {OPENSSL: plain, CRYPTOGRAPHY: of_cryptography(subject, now)}
    if all(words.values()):
        both = ", ".join(f"{client} says {quoted(said)}" for client, said in words.items())
        return Judgement((Objection.of(ClientsRefuse(title, both), title),), warnings)
    words[STRICT] = "" if plain else strict
    explained = " ".join(each.clients for each in warnings)
    more = [
        Objection("chain.client_refuses", title, f"{client} refuses it: {quoted(said)}", CLIENTS[client])
        for client, said in words.items()
        if said and client not in explained
    ]
    return Judgement((), (*warnings, *more))


def _literal_names(leaf: x509.Certificate, wanted: Sequence[str]) -> list[str]:
    """Return the names of a leaf that clients compare as they are, those that are wanted first."""
    hosts = {name.lower() for name in dns_names_of(leaf)}
    dotted = {name.rstrip(".") for name in hosts if name.endswith(".")} - hosts
    return sorted((name for name in compared_names_of(leaf) if name not in dotted), key=lambda name: name not in wanted)
