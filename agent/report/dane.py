"""What modules serve, and the TLSA records that clients judge it by: for findings, and for those who publish them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors import AgentError
from agent.health.dane import Presented, Subject
from agent.model.kept_key import KeyRole, yet_to_serve
from agent.model.tlsa import CertificateBytes, TlsaLook, TlsaRecord, TlsaRow
from agent.planning.kept_keys import reuse_of
from agent.store.connection import UNDECODABLE

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from agent.model.need import Need
    from agent.store import Store


def tlsa_rows(store: Store, needs: Sequence[Need]) -> Iterator[TlsaRow]:
    """Yield the records of the keys of each need: the one that is served, then those that follow."""
    looks, chains, keys = store.tlsa.all(), served_chains(store), store.kept_keys.all()
    kept = {request.id for request in reuse_of(needs)}
    for need in (each for each in needs if each.tlsa):
        presented = _presented(store, chains.get(need.key), {})
        if presented is None:
            continue
        known = keys.get(need.request.id, ()) if need.request.id in kept else ()
        following = yet_to_serve(known, presented.certificates[0].public)
        records = [(KeyRole.PRESENT, presented.record)]
        records += [(KeyRole.NEXT, TlsaRecord.of_key(each.public)) for each in following]
        for owner in need.tlsa:
            look = looks.get(owner) or TlsaLook(owner)
            for use, record in records:
                published = None if look.records is None else record in look.records
                yield TlsaRow(
                    module=need.module,
                    slot=need.slot,
                    owner=owner,
                    record=str(record),
                    key=use,
                    published=published,
                    chain=chains[need.key],
                )


def subjects(store: Store, needs: Sequence[Need], renewals: Mapping[str, datetime]) -> Iterator[Subject]:
    """Yield each need that serves a chain by a name whose TLSA records were asked for. `renewals`: by chain."""
    looks = store.tlsa.all()
    asked = [(need, looks[owner]) for need in needs for owner in need.tlsa if owner in looks]
    if asked:
        reuse = {request.id: keep for request, keep in reuse_of(needs).items()}
        chains, keys = served_chains(store), store.kept_keys.all()
        for need, look in asked:
            presented = _presented(store, chains.get(need.key), renewals)
            if presented is not None:
                request = need.request.id
                yield Subject(need, look, presented, reuse.get(request), keys.get(request, ()))


def served_chains(store: Store) -> dict[tuple[str, str], str]:
    """Return the chain of each module's slot: the one in service, else the one that it is bound to."""
    found = {each.key: each.chain for each in store.modules.bindings() if each.chain}
    live = store.deployments.live_chains()
    return found | {(module, slot): chain for module, slots in live.items() for slot, chain in slots.items()}


def _presented(store: Store, chain: str | None, renewals: Mapping[str, datetime]) -> Presented | None:
    record = store.chains.record(chain) if chain else None
    certificates = presented_certificates(store, record.id, len(record.fingerprints)) if record else ()
    if record is None or not certificates:
        return None
    return Presented(certificates, record.source, renewals.get(record.id))


def presented_certificates(store: Store, chain: str, count: int) -> tuple[CertificateBytes, ...]:
    """Return the first `count` certificates of a chain, leaf first; none where they can't be read."""
    from agent.pki.certificate import load_certificates

    with suppress(AgentError, *UNDECODABLE):
        found = load_certificates((store.chains.certificates(chain) or "").encode())
        return tuple(_bytes_of(each) for each in found[:count])
    return ()


def _bytes_of(certificate: Certificate) -> CertificateBytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    from agent.pki.key import public_der

    return CertificateBytes(certificate.public_bytes(Encoding.DER), public_der(certificate.public_key()))
