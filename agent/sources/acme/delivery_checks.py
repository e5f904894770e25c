"""Whether what a CA delivers is what was ordered: nothing of it is believed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors.chain import ChainError
from agent.errors.problem import rfc3339
from agent.model.need import Request
from agent.pki.certificate import is_self_signed, load_certificates
from agent.pki.chain import Chain, Purpose

if TYPE_CHECKING:
    from agent.pki.key import PrivateKey


class NotAsOrdered(Exception):
    """What is wrong with a chain: one clause, and the error that says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(reason)


def verified(pem: str, key: PrivateKey, request: Request, now: datetime) -> Chain:
    """Return the chain that a CA delivered for `key`. Raises `NotAsOrdered`.

    The order is that of RFC 8555 section 9.1: the leaf, then each issuer; a root at the end is not served.
    """
    try:
        chain = _chain(pem, key)
        facts = chain.facts
    except ChainError as error:
        raise NotAsOrdered(error.problem.cause.rstrip("."), error.problem.detail) from error
    _check_names(set(facts.names), request.names)
    if Purpose.SERVER not in facts.purposes:
        raise NotAsOrdered("it is not for servers (extended key usage)")
    if not chain.usable(now):
        raise NotAsOrdered(
            f"it is valid from {rfc3339(chain.usable_from)} to {rfc3339(chain.usable_until)}, and here it is {rfc3339(now)}"
        )
    return chain


def _chain(pem: str, key: PrivateKey) -> Chain:
    leaf, *issuers = load_certificates(pem.encode())
    anchor = issuers.pop() if issuers and is_self_signed(issuers[-1]) else None
    return Chain(key, leaf, tuple(issuers), anchor)


def _check_names(there: Iterable[str], wanted: frozenset[str]) -> None:
    missing, more = sorted(wanted.difference(there)), sorted(set(there) - wanted)
    if missing:
        raise NotAsOrdered(f"it does not name {', '.join(missing[:3])}")
    if more:
        raise NotAsOrdered(f"it names {', '.join(more[:3])} too")
