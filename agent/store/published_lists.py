"""Lists of revoked certificates that own roots have published with a generation: what the database has lost of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors.base import AgentError
from agent.pki.revocation import Revocation, RevocationList, RevocationReason
from agent.store.served_chains import contents_in_service
from agent.system.layout import Layout

if TYPE_CHECKING:
    from cryptography import x509

    from agent.store.database import Store

MARK = b"-----BEGIN X509 CRL-----"
LARGEST = 4 * 1024 * 1024


def take_in_lists(store: Store, layout: Layout, now: datetime) -> int:
    """Keep what own roots have listed in generations in service and the database doesn't know; return how many entries.

    The next list of such a root gets a higher number (RFC 5280 section 5.2.3). Call inside `Store.write`.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import DuplicateExtension, load_pem_x509_certificate

    refused = (ValueError, TypeError, AgentError, DuplicateExtension, UnsupportedAlgorithm)
    known = {(each.root, each.serial) for each in store.revocations.all()}
    taken, lists = 0, set(_pem_lists(layout))
    for root in store.roots.all():
        for pem in lists:
            with suppress(*refused):
                certificate = load_pem_x509_certificate(root.certificates.encode())
                taken += _take_in(store, pem, root.sha256, certificate, known, now)
    return taken


def _pem_lists(layout: Layout) -> Iterator[bytes]:
    for content in contents_in_service(layout, LARGEST):
        for part in content.split(MARK)[1:]:
            yield MARK + part


def _take_in(
    store: Store, pem: bytes, sha256: str, issuer: x509.Certificate, known: set[tuple[str, str]], now: datetime
) -> int:
    from cryptography import x509

    found = x509.load_pem_x509_crl(pem)
    if not found.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
        return 0
    number = _number_of(found)
    entries = [each for each in found if (sha256, f"{each.serial_number:x}") not in known]
    for each in entries:
        known.add((sha256, f"{each.serial_number:x}"))
        until = issuer.not_valid_after_utc
        store.revocations.add(
            Revocation(sha256, f"{each.serial_number:x}", each.revocation_date_utc, RevocationReason.UNSPECIFIED, until)
        )
    before = store.revocations.lists().get(sha256)
    if number is not None and (before is None or before.number < number):
        store.revocations.keep_list(RevocationList(sha256, number, now, now, (), pem.decode("ascii", "replace")))
    return len(entries)


def _number_of(found: x509.CertificateRevocationList) -> int | None:
    """Return the number of a list; None: it has none, as one that an uploaded root has signed elsewhere."""
    from cryptography.x509 import CRLNumber, ExtensionNotFound

    with suppress(ExtensionNotFound):
        return found.extensions.get_extension_for_class(CRLNumber).value.crl_number
    return None
