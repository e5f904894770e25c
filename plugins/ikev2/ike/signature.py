"""Proof that a server has the key of its certificate (RFC 7296 section 2.15, RFC 4754, RFC 7427)."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from plugins.ikev2.ike.failure import IkeFailure, Malformed

_RSA, _DIGITAL_SIGNATURE = 1, 14
_ECDSA: dict[int, tuple[int, type[hashes.HashAlgorithm]]] = {
    9: (32, hashes.SHA256),
    10: (48, hashes.SHA384),
    11: (66, hashes.SHA512),
}
"""Octets of each of the two numbers (RFC 4754 section 7), and the hash."""
HASHES = b"\0\2\0\3\0\4"
"""What SIGNATURE_HASH_ALGORITHMS offers: SHA-256, SHA-384, SHA-512 (RFC 7427 section 7)."""

_SEQUENCE, _OID = 0x30, 0x06
_PSS = bytes.fromhex("2a864886f70d01010a")
_HASH_OIDS: dict[bytes, type[hashes.HashAlgorithm]] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256,
    bytes.fromhex("608648016503040202"): hashes.SHA384,
    bytes.fromhex("608648016503040203"): hashes.SHA512,
}
_RSA_OIDS: dict[bytes, type[hashes.HashAlgorithm]] = {
    bytes.fromhex("2a864886f70d01010b"): hashes.SHA256,
    bytes.fromhex("2a864886f70d01010c"): hashes.SHA384,
    bytes.fromhex("2a864886f70d01010d"): hashes.SHA512,
}
_ECDSA_OIDS: dict[bytes, type[hashes.HashAlgorithm]] = {
    bytes.fromhex("2a8648ce3d040302"): hashes.SHA256,
    bytes.fromhex("2a8648ce3d040303"): hashes.SHA384,
    bytes.fromhex("2a8648ce3d040304"): hashes.SHA512,
}
"""DER of the algorithms' identifiers (RFC 7427 appendix A)."""

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def check_signature(certificate: bytes, auth: bytes, signed: bytes) -> None:
    """Check the body of an AUTH payload with the key of the leaf (DER). Raises `IkeFailure`."""
    key = _key_of(certificate)
    if len(auth) <= 4:
        raise Malformed("its AUTH payload is cut off")
    method, value = auth[0], auth[4:]
    try:
        if method == _DIGITAL_SIGNATURE:
            _check_named(key, value, signed)
        elif method == _RSA and isinstance(key, rsa.RSAPublicKey):
            key.verify(value, signed, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 (RFC 7296 section 3.8 wants it)
        elif method in _ECDSA and isinstance(key, ec.EllipticCurvePublicKey):
            _check_numbers(key, method, value, signed)
        else:
            raise IkeFailure(f"it proves itself by the method {method}, which does not go with its certificate")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        raise IkeFailure("it does not have the key of the certificate that it shows: its signature is wrong") from None


def _key_of(certificate: bytes) -> PublicKey:
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise Malformed("its first certificate can't be read") from None
    if not isinstance(key, PublicKey):
        raise IkeFailure("the key of its certificate is neither RSA nor ECDSA")
    return key


def _check_numbers(key: ec.EllipticCurvePublicKey, method: int, value: bytes, signed: bytes) -> None:
    octets, digest = _ECDSA[method]
    if len(value) != 2 * octets:
        raise Malformed("its signature has another length than its method wants")
    r, s = int.from_bytes(value[:octets], "big"), int.from_bytes(value[octets:], "big")
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest()))


def _check_named(key: PublicKey, value: bytes, signed: bytes) -> None:
    """The length of an AlgorithmIdentifier, the identifier, the signature (RFC 7427 section 3)."""
    end = 1 + value[0]
    algorithm, signature = value[1:end], value[end:]
    oid, parameters = _identifier(algorithm)
    if isinstance(key, ec.EllipticCurvePublicKey) and oid in _ECDSA_OIDS:
        key.verify(signature, signed, ec.ECDSA(_ECDSA_OIDS[oid]()))
    elif isinstance(key, rsa.RSAPublicKey) and oid in _RSA_OIDS:
        key.verify(signature, signed, padding.PKCS1v15(), _RSA_OIDS[oid]())
    elif isinstance(key, rsa.RSAPublicKey) and oid == _PSS:
        digest = _hash_of_pss(parameters)
        key.verify(signature, signed, padding.PSS(padding.MGF1(digest), padding.PSS.AUTO), digest)
    else:
        raise IkeFailure("it signs by an algorithm that was not offered, or that does not go with its certificate")


def _identifier(algorithm: bytes) -> tuple[bytes, bytes]:
    """Return the OID's octets and what follows them. All identifiers here are shorter than 128 octets."""
    whole = len(algorithm) > 4 and algorithm[0] == _SEQUENCE and algorithm[1] == len(algorithm) - 2
    if not whole or algorithm[2] != _OID or algorithm[3] > len(algorithm) - 4:
        raise Malformed("its signature does not say by which algorithm")
    end = 4 + algorithm[3]
    return algorithm[4:end], algorithm[end:]


def _hash_of_pss(parameters: bytes) -> hashes.HashAlgorithm:
    """Both hashes of the parameters (RFC 4055 section 3.1) are the same one (RFC 7427 appendix A.4)."""
    found = [digest for oid, digest in _HASH_OIDS.items() if oid in parameters]
    if len(found) != 1:
        raise IkeFailure("it signs with RSA-PSS and a hash that was not offered")
    return found[0]()
