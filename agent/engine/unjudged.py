"""Chains in use that were stored before there was a judge: what clients make of them is found out once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from agent.engine.order_context import NEVER_JUDGED
from agent.errors.chain import ChainError
from agent.model.records import ChainRecord
from agent.pki.chain import PeerCertificate, Purpose
from agent.pki.judgement import Objection
from agent.store import Store

if TYPE_CHECKING:
    from agent.engine.source_context import SourceServices


def judge_unjudged(store: Store, services: SourceServices, bound: Iterable[ChainRecord], now: datetime) -> None:
    """Judge those of `bound` that were never judged, and keep what is known against them; none is taken out of service.

    A renewal of one that every client would refuse still gets its lifetime of warning.
    """
    found = {
        each.id: _objections(store, services, each, now) for each in bound if each.edition == 0 and each.root is None
    }
    if not found:
        return
    with store.write():
        for chain, objections in found.items():
            store.chains.warn(chain, objections, edition=NEVER_JUDGED)


def _objections(store: Store, services: SourceServices, record: ChainRecord, now: datetime) -> tuple[Objection, ...]:
    from agent.pki.judge import judge

    purpose = Purpose.SERVER if Purpose.SERVER in record.purposes else Purpose.CLIENT
    try:
        path = PeerCertificate.from_pem((store.chains.certificates(record.id) or "").encode())
    except ChainError as error:
        return (Objection.of(error, record.names[0] if record.names else record.id),)
    judgement = judge(path, purpose=purpose, now=now, anchors=services.anchors)
    return (*judgement.refused, *judgement.warnings)
