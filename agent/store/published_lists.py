"""Lists of revoked certificates that own roots have published with a generation: what the database has lost of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors.base import AgentError
from agent.pki.revocation import Revocation, RevocationList, RevocationReason
from agent.system.layout import Layout
from agent.system.trust import read_regular

if TYPE_CHECKING:
    from cryptography import x509

    from agent.store.database import Store

MARK = b"-----BEGIN X509 CRL-----"
LARGEST = 4 * 1024 * 1024


def take_in_lists(store: Store, layout: Layout, now: datetime) -> int:
    """Keep what own roots have listed in generations in service and the database doesn't know; return how many entries.

    The next list of such a root gets a higher number (RFC 5280 section 5.2.3). Call inside `Store.write`.
    """
    from cryptography.x509 import load_pem_x509_certificate

    known = {(each.root, each.serial) for each in store.revocations.all()}
    certificates = {each.sha256: load_pem_x509_certificate(each.certificates.encode()) for each in store.roots.all()}
    taken = 0
    for pem in set(_pem_lists(layout)):
        for sha256, certificate in certificates.items():
            with suppress(ValueError, TypeError, AgentError):
                taken += _take_in(store, pem, sha256, certificate, known, now)
    return taken


def _pem_lists(layout: Layout) -> Iterator[bytes]:
    for live in sorted(layout.modules.glob("*/live")):
        for path in sorted(live.rglob("*")):
            with suppress(OSError):
                data = read_regular(path, largest=LARGEST)
                for part in data.split(MARK)[1:]:
                    yield MARK + part


def _take_in(
    store: Store, pem: bytes, sha256: str, issuer: x509.Certificate, known: set[tuple[str, str]], now: datetime
) -> int:
    from cryptography import x509

    found = x509.load_pem_x509_crl(pem)
    if not found.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
        return 0
    entries = [each for each in found if (sha256, f"{each.serial_number:x}") not in known]
    for each in entries:
        known.add((sha256, f"{each.serial_number:x}"))
        until = issuer.not_valid_after_utc
        store.revocations.add(
            Revocation(sha256, f"{each.serial_number:x}", each.revocation_date_utc, RevocationReason.UNSPECIFIED, until)
        )
    number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    before = store.revocations.lists().get(sha256)
    if before is None or before.number < number:
        store.revocations.keep_list(RevocationList(sha256, number, now, now, (), pem.decode("ascii", "replace")))
    return len(entries)
