"""Chains whose root an administrator has made known since they were delivered: they are complete now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from agent.errors.upload import TrustUnreadable
from agent.model.records import ChainRecord
from agent.pki.judgement import INCOMPLETE

if TYPE_CHECKING:
    from agent.pki.anchors import Anchors
    from agent.store import Store
    from agent.system.layout import Layout


def note_known_roots(store: Store, layout: Layout, bound: Iterable[ChainRecord]) -> None:
    """Take the warning from each of `bound` whose root is in the administrator's directory now."""
    doubtful = [each for each in bound if any(warning.code == INCOMPLETE for warning in each.warnings)]
    if not doubtful or not layout.trust.exists():
        return
    from agent.pki.anchors import Anchors

    known = Anchors(directory=layout.trust, root=layout.root)
    try:
        for record in doubtful:
            if _is_complete(store.chains.certificates(record.id) or "", known):
                store.chains.warn(record.id, [each for each in record.warnings if each.code != INCOMPLETE])
    except TrustUnreadable:
        return  # the next pass finds it repaired


def _is_complete(pem: str, known: Anchors) -> bool:
    from agent.pki.certificate import is_self_signed, load_certificates, names_as_issuer, verifies

    top = load_certificates(pem.encode())[-1]
    roots = [each for each in known.named(top.issuer) if is_self_signed(each)]
    return any(names_as_issuer(top, root) and verifies(top, root) for root in roots)
