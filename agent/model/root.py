"""The appliance's roots as far as they are known without being opened: how far each is in its life."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from agent.errors.root import RootAmbiguous
from agent.model.binding import Binding
from agent.model.peer import Peer
from agent.model.records import ChainRecord
from agent.pki.key import KeyKind, KeyType

PREPARED_IN = {False: 4, True: 8}
"""Part of a root's life that is left when the agent makes its successor; of an uploaded one's (True), for which a person may
have another one at hand."""
PART_OF_LIFE = 20
"""A cross-certificate is no longer served when such a part of its time is left, or a day: leaves would get ever shorter."""


class RootPhase(StrEnum):
    """How far a root is in its life."""

    PREPARED = "prepared"
    """It is published, and believed where peers are verified; it signs nothing yet but its list of revoked certificates."""
    SIGNING = "signing"
    """It signs leaves."""
    REPLACED = "replaced"
    """Another one signs; what this one has signed is still believed where peers are verified."""
    RETIRED = "retired"
    """It is no longer believed; its key signs its list of revoked certificates until it ends."""


PUBLISHED = (RootPhase.SIGNING, RootPhase.PREPARED)


@dataclass(frozen=True, slots=True)
class RootRecord:
    """A root as far as it is known without being opened."""

    sha256: str
    subject: str
    not_before: datetime
    not_after: datetime
    certificates: str
    """PEM: the root's certificate, then its parents."""
    created_at: datetime
    retired_at: datetime | None = None
    """When it left the lists of those that are believed."""
    signs_at: datetime | None = None
    """When it is to begin to sign, or has begun."""
    replaced_at: datetime | None = None
    """When its successor began to sign."""
    retires_at: datetime | None = None
    """When a person wants it to leave the lists; None: when nothing depends on it any more."""
    prepared: bool = False
    """It has not begun to sign."""
    uploaded: bool = False
    """An administrator's own; the agent makes no successor while there is time for another one of theirs."""
    key_type: KeyType = KeyType.ECDSA_P256
    beside: bool = False
    """It signs beside the main root, for keys of its own kind alone."""

    @property
    def phase(self) -> RootPhase:
        """How far it is in its life."""
        if self.retired_at is not None:
            return RootPhase.RETIRED
        if self.replaced_at is not None:
            return RootPhase.REPLACED
        return RootPhase.PREPARED if self.prepared else RootPhase.SIGNING

    @property
    def believed(self) -> bool:
        """Whether what it has signed is believed where peers are verified."""
        return self.retired_at is None


@dataclass(frozen=True, slots=True)
class CrossCertificate:
    """A certificate of one root for the name and key of another, or why there is none."""

    subject: str
    """SHA-256 of the root whose key it is for."""
    issuer: str
    """SHA-256 of the root that signed it."""
    certificate: str
    """PEM: itself, then what is between its issuer and that one's anchor; empty where it could not be signed."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    obstacle: str = ""
    """Why there is none, or why it can't be sent with leaves."""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of the certificates in their order, lower-case hex."""
        bodies = (each.partition("-----END")[0] for each in self.certificate.split("-----BEGIN CERTIFICATE-----")[1:])
        return tuple(sha256(b64decode(body)).hexdigest() for body in bodies)

    def is_valid(self, now: datetime) -> bool:
        """Whether there is one that is good at `now`."""
        begins, ends = self.not_before, self.not_after
        return bool(self.certificate) and begins is not None and ends is not None and begins <= now < ends

    def serves(self, now: datetime) -> bool:
        """Whether leaves are worth being served with it."""
        if self.obstacle or self.not_before is None or self.not_after is None:
            return False
        least = min(timedelta(days=1), (self.not_after - self.not_before) / PART_OF_LIFE)
        return self.not_before <= now < self.not_after - least


@dataclass(frozen=True, slots=True)
class Signer:
    """The root that signs for one kind of keys, as far as what it has signed depends on it."""

    root: str
    """SHA-256."""
    until: datetime | None = None
    """When it ends."""
    sent_with: tuple[str, ...] = ()
    """SHA-256 of the cross-certificate, and what is above it, that its leaves are to be sent with."""


def in_phase(roots: Iterable[RootRecord], phase: RootPhase, *, beside: bool = False) -> RootRecord | None:
    """Return the newest root that is so far, of the main ones or of those beside them; None where there is none."""
    return next((each for each in roots if each.phase is phase and each.beside is beside), None)


def signing_root(roots: Sequence[RootRecord], kind: KeyKind) -> RootRecord | None:
    """Return the root that signs for keys of a kind: the one beside where that is its kind, else the main one."""
    other = in_phase(roots, RootPhase.SIGNING, beside=True)
    return other if other and other.key_type.kind is kind else in_phase(roots, RootPhase.SIGNING)


def signers(roots: Sequence[RootRecord], crosses: Collection[CrossCertificate], now: datetime) -> dict[KeyKind, Signer]:
    """Return what signs at `now`, by the kind of key that it signs for; empty before the first root."""
    found = {}
    for kind in KeyKind:
        if root := signing_root(roots, kind):
            cross = served_with(root, kind, roots, crosses, now)
            found[kind] = Signer(root.sha256, root.not_after, cross.fingerprints if cross else ())
    return found


def all_in_phase(roots: Iterable[RootRecord], phase: RootPhase) -> list[RootRecord]:
    """Return the roots that are so far: the main ones first, the newest first. A step is of the first unless one is named."""
    return sorted((each for each in roots if each.phase is phase), key=lambda each: each.beside)


def root_named(roots: Iterable[RootRecord], start: str) -> RootRecord | None:
    """Return the root whose SHA-256 begins so. Raises `RootAmbiguous`."""
    found = [each for each in roots if each.sha256.startswith(start.lower())]
    if len(found) > 1:
        raise RootAmbiguous(start, [each.sha256 for each in found])
    return next(iter(found), None)


def published_roots(roots: Collection[RootRecord]) -> list[RootRecord]:
    """Return the roots that clients are to trust: those that sign, then those that will; the main one first."""
    return [each for phase in PUBLISHED for each in all_in_phase(roots, phase)]


def published(roots: Collection[RootRecord]) -> str:
    """Return the PEM of the roots that clients are to trust."""
    return "".join(each.certificates for each in published_roots(roots))


def cross_certificates(roots: Iterable[RootRecord], crosses: Iterable[CrossCertificate], now: datetime) -> str:
    """Return the PEM of the cross-certificates between roots that are believed, for who knows one of those alone."""
    known = {each.sha256 for each in roots if each.believed}
    found = [each for each in crosses if {each.subject, each.issuer} <= known and each.is_valid(now)]
    return "".join(each.certificate for each in sorted(found, key=lambda each: (each.subject, each.issuer)))


def served_with(
    root: RootRecord,
    kind: KeyKind,
    roots: Iterable[RootRecord],
    crosses: Iterable[CrossCertificate],
    now: datetime,
) -> CrossCertificate | None:
    """Return the cross-certificate that leaves of `root` with keys of a kind are served with at `now`.

    A client follows the first that it is sent, so there is one. A predecessor that is still believed goes before a successor
    that is prepared: who knows the one alone had no time to learn of the other. A retired one helps as long as it is valid.
    """
    order = (RootPhase.REPLACED, RootPhase.PREPARED, RootPhase.SIGNING, RootPhase.RETIRED)
    leading = {each.sha256: order.index(each.phase) for each in roots if _leads_to(each, root, kind, now)}
    found = [each for each in crosses if each.subject == root.sha256 and each.serves(now) and each.issuer in leading]
    return min(found, key=lambda each: leading[each.issuer], default=None)


def _leads_to(issuer: RootRecord, root: RootRecord, kind: KeyKind, now: datetime) -> bool:
    """Whether clients may know `issuer` alone for keys of a kind that `root` signs for.

    The main root, of one that signs beside it, for as long again as that was prepared and no longer: clients that can't use
    the main root's kind of key are what the other one is for, and the oldest follow what they are sent.
    """
    if issuer.beside is root.beside:
        return issuer.phase is not RootPhase.SIGNING
    if issuer.beside:
        return issuer.key_type.kind is kind and issuer.phase in {RootPhase.REPLACED, RootPhase.PREPARED}
    begun = root.signs_at or root.created_at
    return issuer.phase is RootPhase.SIGNING and now < begun + (begun - root.created_at)


def preparation_instant(root: RootRecord) -> datetime:
    """Return when the successor of a root is made."""
    return root.not_after - (root.not_after - root.not_before) / PREPARED_IN[root.uploaded]


def dependents(
    root: str,
    now: datetime,
    *,
    chains: Iterable[ChainRecord],
    bindings: Iterable[Binding],
    live: Mapping[str, Mapping[str, str]],
    peers: Iterable[Peer],
) -> Iterator[tuple[str, datetime]]:
    """Yield what a root has signed and that is in use or may be: ``module/slot`` or ``module/label``, and when it ends.

    `live`: module -> slot -> id of the chain in service. A peer certificate counts until it ends, also when a newer one was
    signed: somebody has to carry that to its device.
    """
    good = {each.id: each for each in chains if each.root == root and each.good(now)}
    used = {(*binding.key, binding.chain) for binding in bindings if binding.chain in good}
    used |= {(name, slot, chain) for name, slots in live.items() for slot, chain in slots.items() if chain in good}
    for module, slot, chain in sorted(used):
        yield f"{module}/{slot}", good[chain].not_after
    for peer in peers:
        if peer.root == root and peer.revoked_at is None and now < peer.not_after:
            yield f"{peer.module}/{peer.label}", peer.not_after
