"""Trust anchors: the appliance's own roots, those in the administrator's directory, and the system's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agent.errors.chain import CertificateUnreadable
from agent.errors.upload import TrustUnreadable
from agent.system.trust import TOP, Untrusted, check_directory, read

if TYPE_CHECKING:
    from cryptography import x509

    from agent.pki.distinguished_names import ComparedName
    from agent.system.layout import Layout

SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
"""Bundle of Debian and its derivatives, and of Alpine."""
ENDINGS = frozenset({".pem", ".crt", ".cer"})


class Anchors:
    """Trusted certificates by subject. Files are read on the first lookup.

    Includes intermediates that the administrator put into the directory.
    """

    def __init__(
        self,
        own: Iterable[x509.Certificate] = (),
        directory: Path | None = None,
        bundle: Path | None = None,
        *,
        root: Path = TOP,
    ) -> None:
        """`root`: of the appliance that the directory is of."""
        self._own = tuple(own)
        self._root = root
        self._directory = directory
        self._bundle = bundle

    @classmethod
    def of(cls, certificates: Anchors | Iterable[x509.Certificate]) -> Anchors | Self:
        """Return `certificates` as anchors."""
        return certificates if isinstance(certificates, Anchors) else cls(certificates)

    def __iter__(self) -> Iterator[x509.Certificate]:
        """Yield each certificate once. Raises `TrustUnreadable`."""
        return iter(self._all)

    def named(self, subject: x509.Name) -> Sequence[x509.Certificate]:
        """Return the certificates of that subject. Raises `TrustUnreadable`."""
        from agent.pki.distinguished_names import compared

        return self._by_subject.get(compared(subject), [])

    def __contains__(self, certificate: object) -> bool:
        """Whether a certificate is known. Raises `TrustUnreadable`."""
        return certificate in self._all

    @cached_property
    def _all(self) -> dict[x509.Certificate, None]:
        return dict.fromkeys(each for known in self._by_subject.values() for each in known)

    @cached_property
    def _by_subject(self) -> dict[ComparedName, list[x509.Certificate]]:
        from agent.pki.distinguished_names import compared

        found: dict[ComparedName, list[x509.Certificate]] = {}
        for certificate in (*self._own, *self._of_directory(), *self._of_bundle()):
            found.setdefault(compared(certificate.subject), []).append(certificate)
        return found

    def _of_directory(self) -> Iterator[x509.Certificate]:
        if self._directory is None:
            return
        try:
            check_directory(self._directory, root=self._root)
            paths = sorted(self._directory.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refusal(self._directory, error) from error
        for path in paths:
            if path.suffix in ENDINGS:
                yield from _certificates(path, self._root)

    def _of_bundle(self) -> Iterator[x509.Certificate]:
        """Yield the certificates of the system's bundle. The administrator can't repair it: unreadable ones are skipped."""
        from agent.pki.certificate import load_certificates
        from agent.pki.pem import certificate_blocks

        if self._bundle is None or not self._bundle.exists():
            return
        for block in certificate_blocks(_content(self._bundle, TOP)):
            try:
                yield from load_certificates(block)
            except CertificateUnreadable:
                continue


def load_anchors(
    layout: Layout, *, own: Iterable[x509.Certificate] = (), bundle: Path | None = SYSTEM_BUNDLE
) -> Anchors:
    """Return the anchors of this appliance: `own` roots, ``/etc/chainwright/trust/``, the system's bundle.

    Nothing is read yet; `TrustUnreadable` names a broken file in the directory on the first lookup.
    """
    return Anchors(own, layout.trust, bundle, root=layout.root)


def _certificates(path: Path, root: Path) -> tuple[x509.Certificate, ...]:
    from agent.pki.certificate import load_certificates, load_der_certificate

    data = _content(path, root)
    try:
        return load_certificates(data) if b"-----BEGIN" in data else (load_der_certificate(data),)
    except CertificateUnreadable as error:
        raise TrustUnreadable(str(path), error.problem.cause.rstrip(".")) from error


def _content(path: Path, root: Path) -> bytes:
    try:
        return read(path, root=root).data
    except OSError as error:
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> TrustUnreadable:
    if isinstance(error, Untrusted):
        return TrustUnreadable(str(path), error.reason, error.fix)
    return TrustUnreadable(str(path), (error.strerror or str(error)).lower())
