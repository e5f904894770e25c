"""Certificate signing requests (RFC 2986): made for a CA; or read, trusting only that the sender has the key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from agent.errors.chain import KeyUnsupported
from agent.errors.root import RequestInvalid
from agent.pki.key import key_type_of
from agent.pki.parser_errors import reason_of, unsupported_kind
from agent.pki.profile import digest_for, general_names
from agent.system.names import is_address

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from agent.pki.private_key import PrivateKey

LONGEST_COMMON_NAME = 64
"""Characters (RFC 5280 appendix A.1, ub-common-name)."""


def make_request(key: PrivateKey, names: Sequence[str]) -> x509.CertificateSigningRequest:
    """Return a request of `key` for canonical names, all of them subject alternative names.

    One of them is the common name too where one can be: many a private CA copies the subject, and clients refuse an empty one
    beside alternative names that aren't critical (RFC 5280 section 4.2.1.6). A CA that has no use for it ignores it.
    """
    name = common_name_of(names)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    builder = x509.CertificateSigningRequestBuilder(subject)
    builder = builder.add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
    return builder.sign(key, digest_for(key))


def request_pem(key: PrivateKey, names: Iterable[str]) -> bytes:
    """Return a request as above in PEM, for a source whose CA takes that."""
    return make_request(key, sorted(names)).public_bytes(Encoding.PEM)


def common_name_of(names: Sequence[str]) -> str:
    """Return the shortest of `names` that isn't an address, the first in the alphabet of such; empty: none fits."""
    fitting = [name for name in names if not is_address(name) and len(name) <= LONGEST_COMMON_NAME]
    return min(fitting, key=lambda name: (len(name), name), default="")


def load_request(pem: bytes) -> CertificatePublicKeyTypes:
    """Return the public key of a PEM request whose signature verifies.

    Raises `RequestInvalid`, and `WeakKey` or `KeyUnsupported` for its key.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        genuine, key = request.is_signature_valid, request.public_key()
    except UnsupportedAlgorithm as error:
        raise KeyUnsupported(unsupported_kind(error)) from error
    except (ValueError, x509.InvalidVersion) as error:
        raise RequestInvalid(reason_of(error)) from error
    if not genuine:
        raise RequestInvalid("its signature does not verify with the key in it")
    key_type_of(key, title="the request")
    return key
