"""Certificate signing requests (RFC 2986): made for a CA; or read, trusting only that the sender has the key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from agent.errors.root import RequestInvalid
from agent.pki.key import key_type_of
from agent.pki.profile import digest_for, general_names

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from agent.pki.key import PrivateKey


def make_request(key: PrivateKey, names: Sequence[str]) -> x509.CertificateSigningRequest:
    """Return a request of `key` for canonical names. The subject is empty: a CA takes nothing else from it."""
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
    return builder.sign(key, digest_for(key))


def load_request(pem: bytes) -> CertificatePublicKeyTypes:
    """Return the public key of a PEM request whose signature verifies.

    Raises `RequestInvalid`, and `WeakKey` or `KeyUnsupported` for its key.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        genuine, key = request.is_signature_valid, request.public_key()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise RequestInvalid("it is damaged or not a request in PEM form") from error
    if not genuine:
        raise RequestInvalid("its signature does not verify with the key in it")
    key_type_of(key, title="the request")
    return key
