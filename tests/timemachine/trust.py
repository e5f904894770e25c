"""Clients that know one root of the appliance: whether they take what is served, without the agent's own code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from agent.model.root import RootPhase, RootRecord
from timemachine.wire import Loaded

LAST_DAY = timedelta(days=1)
"""A root that ends in so long certifies its successor no longer."""
LEARNED = timedelta(hours=1)
"""So long after a root was published, nobody can know it alone."""


@dataclass
class Client:
    """Somebody who knows one root, as it was downloaded."""

    root: x509.Certificate
    since: datetime
    """When the root could be downloaded first, true time."""

    def __post_init__(self) -> None:
        self._store = Store([self.root])
        self._taken: dict[tuple[tuple[str, ...], str], datetime] = {}
        """Certificates and name -> until when they are good together."""

    def takes(self, name: str, loaded: Loaded, at: datetime) -> str:
        """Return why it refuses what is served for a name; empty: it takes it."""
        key = loaded.fingerprints, name
        if key in self._taken and at <= self._taken[key]:
            return ""
        try:
            leaf, *others = x509.load_pem_x509_certificates(loaded.pem)
            verifier = PolicyBuilder().store(self._store).time(at.replace(tzinfo=None))
            verifier.build_server_verifier(x509.DNSName(name)).verify(leaf, others)
        except (VerificationError, ValueError) as error:
            return str(error)
        self._taken[key] = min(each.not_valid_after_utc for each in (leaf, *others, self.root))
        return ""


@dataclass
class Clients:
    """Everybody who trusts the appliance's roots, and what they should be able to verify."""

    known: dict[str, Client] = field(default_factory=dict)
    """By the SHA-256 of the root."""
    must: tuple[str, ...] = ()
    """Roots of which each alone has to be enough now."""
    retired: frozenset[str] = frozenset()
    """Those that are believed no longer."""
    given_up: set[str] = field(default_factory=set)
    """Those that a person has replaced at once: who knows them alone is cut off, as was said before."""

    def learn(self, at: datetime, roots: Sequence[RootRecord]) -> None:
        """Note which roots there are, as they can be downloaded, the newest first."""
        for each in roots:
            if each.sha256 not in self.known:
                self.known[each.sha256] = Client(x509.load_pem_x509_certificates(each.certificates.encode())[0], at)
        self.must = tuple(each.sha256 for each in must_be_enough(roots, at) if self._is_relied_on(each.sha256, at))
        retired = {each.sha256 for each in roots if each.phase is RootPhase.RETIRED}
        self.retired = frozenset(retired - self.given_up)

    def _is_relied_on(self, sha256: str, at: datetime) -> bool:
        return sha256 not in self.given_up and at - self.known[sha256].since >= LEARNED

    def give_up(self) -> None:
        """Note that a person replaces the root at once."""
        self.given_up |= set(self.known)

    def forget(self) -> None:
        """Forget all: the appliance was taken back to a time before it."""
        self.known.clear()
        self.must, self.retired = (), frozenset()

    def refusals(self, name: str, loaded: Loaded, at: datetime) -> Iterable[str]:
        """Yield who refuses what is served for a name and should not."""
        for each in self.must:
            root = self.known[each].root
            if at < root.not_valid_after_utc - LAST_DAY and (why := self.known[each].takes(name, loaded, at)):
                yield f"a client that knows only {root.subject.rfc4514_string()} refuses it: {why}"

    def retired_issuer(self, loaded: Loaded) -> str:
        """Return the name of the retired root that has signed what is served; empty: another one has."""
        subjects = (self.known[each].root.subject for each in self.retired)
        return next((each.rfc4514_string() for each in subjects if loaded.issuer == each.public_bytes()), "")


def must_be_enough(roots: Sequence[RootRecord], at: datetime) -> list[RootRecord]:
    """Return the roots of which each alone has to verify what is served: the one that signs, and its neighbour.

    That is the one before it as long as that is believed, else the one that is to follow, else the one before it again. One that
    was dropped for another before it signed anything is nobody's neighbour.
    """
    signing = next((each for each in roots if each.phase is RootPhase.SIGNING), None)
    if signing is None:
        return []
    neighbours = [
        each
        for phase in (RootPhase.REPLACED, RootPhase.PREPARED, RootPhase.RETIRED)
        for each in roots
        if each.phase is phase
        and each.not_after - at > LAST_DAY
        and (phase is not RootPhase.RETIRED or each.replaced_at)
    ]
    return [signing, *neighbours[:1]]
