"""Keys that requests keep: which one the next chain gets, the one after it made ahead, and those that are given up."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors import AgentError
from agent.model.kept_key import KeyRole, in_role
from agent.model.tlsa import TlsaLook
from agent.pki.key import generate_key, key_type_of, spki_sha256
from agent.pki.revocation import Revocation, RevocationReason
from agent.planning.kept_keys import choose, is_free
from agent.report.dane import presented_certificates
from agent.store.connection import UNDECODABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.engine.write_queue import Writer
    from agent.model.kept_key import KeptKey, KeyReuse
    from agent.model.need import Request
    from agent.model.records import ChainRecord
    from agent.pki.chain import Chain
    from agent.pki.private_key import PrivateKey
    from agent.store import Store


COMPROMISED = "its chain was revoked, as somebody else may have the key"
"""Why a key is given up, a clause."""


@dataclass(frozen=True)
class KeyKeeper:
    """Keys of the chains that sources make."""

    writer: Writer
    clock: Callable[[], datetime]

    def key_for(self, request: Request, keep: KeyReuse | None, owners: Sequence[str] = ()) -> PrivateKey:
        """Return the key for a chain, on disk before anybody hears of it where it is to be kept.

        `owners`: names of the TLSA records that clients judge the chain by.
        """
        if keep is None:
            return generate_key(request.key_type)
        known = self.writer.read(lambda store: store.kept_keys.of(request.id))
        present, following = in_role(known, KeyRole.PRESENT), in_role(known, KeyRole.NEXT)
        free = self.writer.read(lambda store: _is_free(store, request, following, owners, self.clock()))
        role = choose(present, following, keep, self.clock(), free=free)
        if role is KeyRole.NEXT:
            ready = self._opened(following)
            key = ready or self._kept(request, role)
            # One that is made in place of what can't be opened has no record in DNS yet.
            if ready or present is None or not owners:
                return key
        # One that can't be opened is in the chain, too.
        return self._opened(present) or self._of_chain(request) or self._kept(request, KeyRole.PRESENT)

    def prepare(self, request: Request) -> None:
        """Keep the key that the request's chain has, and make the next one, unless they are there."""
        known = self.writer.read(lambda store: store.kept_keys.of(request.id))
        if in_role(known, KeyRole.PRESENT) is None and self._of_chain(request) is None:
            return
        if in_role(known, KeyRole.NEXT) is None:
            self._kept(request, KeyRole.NEXT)

    def _of_chain(self, request: Request) -> PrivateKey | None:
        """Return the key of the request's chain, which is the present one from now on."""
        found = self.writer.read(lambda store: _of_chain(store, request))
        return self._kept(request, KeyRole.PRESENT, found) if found else None

    def _opened(self, kept: KeptKey | None) -> PrivateKey | None:
        return self.writer.read(lambda store: _loaded(store, kept)) if kept else None

    def _kept(self, request: Request, role: KeyRole, key: PrivateKey | None = None) -> PrivateKey:
        """Keep a key, a new one unless it is given; return that which another order has kept meanwhile, if any."""
        made = key or generate_key(request.key_type)

        def keep(store: Store) -> PrivateKey:
            known = in_role(store.kept_keys.of(request.id), role)
            before = _loaded(store, known) if known else None
            if before is None:
                store.kept_keys.add(request.id, made, role, self.clock())
            return before or made

        return self.writer.write(keep)


def _is_free(store: Store, request: Request, following: KeptKey | None, owners: Sequence[str], now: datetime) -> bool:
    """Whether DNS lets a chain have another key than the present one."""
    if not owners:
        return True
    looks = store.tlsa.all()
    made = [each for each in store.chains.records() if each.request == request.id and each.good(now)]
    newest = max(made, key=lambda each: each.not_before, default=None)
    presented = presented_certificates(store, newest.id, len(newest.fingerprints)) if newest else ()
    asked = [looks.get(owner) or TlsaLook(owner) for owner in owners]
    return is_free(following.public if following else None, asked, presented, now)


def _loaded(store: Store, kept: KeptKey) -> PrivateKey | None:
    """Return a key; one that can't be opened is none: a renewal doesn't fail of it."""
    with suppress(AgentError, *UNDECODABLE):
        return store.kept_keys.load(kept)
    return None


def _of_chain(store: Store, request: Request) -> PrivateKey | None:
    """Return the key of the chain that was made for a request: the one in use, else the newest. Not one that was given up."""
    bound = {binding.chain for binding in store.modules.bindings()}
    made = [each for each in store.chains.records() if each.request == request.id and each.revoked_at is None]
    given_up = {each.spki for each in store.kept_keys.of(request.id) if each.role is KeyRole.GIVEN_UP}
    for record in sorted(made, key=lambda each: (each.id in bound, each.not_before), reverse=True):
        with suppress(AgentError, *UNDECODABLE):
            chain = store.chains.load(record.id)
            if chain is not None and _serves(chain, request, given_up):
                return chain.key
    return None


def _serves(chain: Chain, request: Request, given_up: set[str]) -> bool:
    public = chain.key.public_key()
    return key_type_of(public) is request.key_type and spki_sha256(public) not in given_up


def note_delivery(store: Store, chain: Chain, source: str, request: str, now: datetime) -> None:
    """Note with which of a request's keys a chain was made, before it is stored. Call inside `Store.write`."""
    if store.kept_keys.of(request):
        spki = spki_sha256(chain.key.public_key())
        made = [each.id for each in store.chains.records() if (each.source, each.request) == (source, request)]
        renewed = any(spki_of(store, each) == spki for each in made)
        store.kept_keys.delivered(request, spki, now, renewed=renewed)


def why_given_up(store: Store, chain: Chain, request: str) -> str:
    """Return why the key of a chain is never to be used for a request, a clause; empty: it may be."""
    given_up = {each.spki: each.reason for each in store.kept_keys.of(request) if each.role is KeyRole.GIVEN_UP}
    return given_up.get(spki_sha256(chain.key.public_key()), "") if given_up else ""


def spki_of(store: Store, chain: str) -> str:
    """Return the SHA-256 of a chain's public key, without opening the private one; empty where it can't be read."""
    from agent.pki.certificate import load_certificates

    with suppress(AgentError, *UNDECODABLE):
        return spki_sha256(load_certificates((store.chains.certificates(chain) or "").encode())[0].public_key())
    return ""


def give_up_keys(store: Store, request: str, reason: str, now: datetime) -> None:
    """Have no chain of a request made again with a key that it has now. Call inside `Store.write`.

    Orders under way begin again, as what is saved of them may have it. `reason`: a clause.
    """
    used = {each.spki for each in store.kept_keys.of(request) if each.role is KeyRole.PRESENT}
    used |= {spki_of(store, each.id) for each in store.chains.records() if each.request == request}
    for spki in sorted(used - {""}):
        store.kept_keys.give_up(request, spki, reason, now)
    store.orders.forget_saved(request)


def distrust_key(store: Store, chain: str, now: datetime) -> None:
    """Give up the key of a chain that somebody else may have: no other chain with it is good any more, own ones are revoked.

    Call inside `Store.write`.
    """
    record, spki = store.chains.record(chain), spki_of(store, chain)
    if record is None or not spki:
        return
    if record.request is not None:
        store.kept_keys.give_up(record.request, spki, COMPROMISED, now)
        store.orders.forget_saved(record.request)
    others = [each for each in store.chains.records() if each.id != chain and each.revoked_at is None]
    for other in others:
        if spki_of(store, other.id) == spki:
            store.chains.revoke(other.id, now)
            _list_as_revoked(store, other, now)


def _list_as_revoked(store: Store, record: ChainRecord, now: datetime) -> None:
    if record.root is not None:
        reason = RevocationReason.KEY_COMPROMISE
        store.revocations.add(Revocation(record.root, record.serial, now, reason, record.not_after))
