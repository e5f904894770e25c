"""Which key the next chain of a request gets, and which keys are to be made ahead. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from agent.model.kept_key import KeptKey, KeyReuse, KeyRole, in_role
from agent.model.need import Need, Request
from agent.model.tlsa import TRUST_ANCHOR, CertificateBytes, TlsaLook
from agent.planning.actions import PrepareKeys
from agent.planning.state import State


def choose(
    present: KeptKey | None, following: KeptKey | None, keep: KeyReuse, now: datetime, *, free: bool = True
) -> KeyRole:
    """Return which key the next chain gets: the present one until its time is over. One that was given up is neither.

    The first chain of all gets what is the present one from then on. `free`: DNS lets another key be used; until it does, the
    present one is used longer.
    """
    if present is None:
        return KeyRole.NEXT if following is not None else KeyRole.PRESENT
    return KeyRole.NEXT if free and keep.is_over(present, now) else KeyRole.PRESENT


def is_free(key: bytes | None, looks: Iterable[TlsaLook], presented: Sequence[CertificateBytes], now: datetime) -> bool:
    """Whether a chain with another key can be served without being refused for what DNS says.

    `key`: the public one in DER; `presented`: what is served now. What isn't known yet counts as if it were against it.
    """
    return all(_is_free(key, look, presented, now) for look in looks)


def _is_free(key: bytes | None, look: TlsaLook, presented: Sequence[CertificateBytes], now: datetime) -> bool:
    if look.records is None:
        return False
    if not look.records:
        return look.known_to_all(now)  # others may remember some that were there
    if any(each.usage == TRUST_ANCHOR and each.accepts(presented) for each in look.records):
        return True
    return key is not None and any(each.names_key(key) for each in look.records) and look.known_to_all(now)


def reuse_of(needs: Iterable[Need]) -> dict[Request, KeyReuse]:
    """Return the requests whose key is kept, and how long: needs that share one share its key."""
    found: dict[Request, KeyReuse] = {}
    for need in needs:
        if need.keep_key is not None:
            found[need.request] = need.keep_key.shorter(found.get(need.request))
    return found


def keys_to_prepare(needs: Iterable[Need], state: State) -> list[PrepareKeys]:
    """Return for which requests the present key is to be kept, or the next one made."""
    made = {(each.request, each.key_type) for each in state.evidence.chains if each.revoked_at is None}
    due = []
    for request in reuse_of(needs):
        known = state.kept_keys.get(request.id, ())
        if in_role(known, KeyRole.PRESENT) is None:
            # Where the last one was given up, the next chain brings another one.
            if (request.id, request.key_type) in made and in_role(known, KeyRole.GIVEN_UP) is None:
                due.append(PrepareKeys(request, "the key of its chain is to be kept"))
        elif in_role(known, KeyRole.NEXT) is None:
            due.append(PrepareKeys(request, "the key after the present one is made ahead"))
    return due
