"""Chains whose root an administrator has made known since they were delivered: they are complete now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.errors.upload import TrustUnreadable
from agent.model.records import ChainRecord
from agent.pki.judgement import INCOMPLETE

if TYPE_CHECKING:
    from agent.pki.anchors import Anchors
    from agent.store import Store
    from agent.system.layout import Layout


def with_known_roots(store: Store, layout: Layout, bound: Iterable[ChainRecord]) -> list[ChainRecord]:
    """Return those of `bound` that lacked a root which is in the administrator's directory now, without that warning."""
    doubtful = [each for each in bound if any(warning.code == INCOMPLETE for warning in each.warnings)]
    if not doubtful or not layout.trust.exists():
        return []
    from agent.pki.anchors import Anchors

    known = Anchors(directory=layout.trust, root=layout.root)
    try:
        complete = [each for each in doubtful if _is_complete(store.chains.certificates(each.id) or "", known)]
    except TrustUnreadable:
        return []  # the next pass finds it repaired
    return [replace(each, warnings=tuple(one for one in each.warnings if one.code != INCOMPLETE)) for each in complete]


def _is_complete(pem: str, known: Anchors) -> bool:
    from agent.pki.certificate import is_self_signed, load_certificates, names_as_issuer, verifies

    top = load_certificates(pem.encode())[-1]
    roots = [each for each in known.named(top.issuer) if is_self_signed(each)]
    return any(names_as_issuer(top, root) and verifies(top, root) for root in roots)
