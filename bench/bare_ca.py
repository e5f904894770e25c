"""Baseline of 1,000 local chains: make a key, sign a leaf, write both, and flush all at once.

python bench/bare_ca.py DIRECTORY CHAINS
"""

import ctypes
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def titled(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def signed(
    public_key: ec.EllipticCurvePublicKey, subject: x509.Name, signer: ec.EllipticCurvePrivateKey, *, authority: bool
) -> x509.Certificate:
    """Make a certificate with the extensions that clients ask for."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(titled("Root"), subject, public_key, x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not authority:
        name = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        builder = (
            builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(str(name))]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.KeyUsage(True, False, False, False, False, False, False, False, False),
                critical=True,
            )
        )
    return builder.sign(signer, hashes.SHA256())


def pair(name: str) -> tuple[bytes, bytes, str]:
    """Return a new key, its certificate by an unknown root, and the certificate's SHA-256."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = signed(key.public_key(), titled(name), ec.generate_private_key(ec.SECP256R1()), authority=False)
    return key_pem(key), leaf.public_bytes(Encoding.PEM), leaf.fingerprint(hashes.SHA256()).hex()


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def main(directory: Path, chains: int) -> None:
    directory.mkdir()
    root = ec.generate_private_key(ec.SECP256R1())
    write(
        directory / "root.pem",
        signed(root.public_key(), titled("Root"), root, authority=True).public_bytes(Encoding.PEM),
    )
    for number in range(chains):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = signed(key.public_key(), titled(f"s{number}.example.test"), root, authority=False)
        write(directory / f"{number}.key", key_pem(key))
        write(directory / f"{number}.pem", leaf.public_bytes(Encoding.PEM))
    descriptor = os.open(directory, os.O_RDONLY)
    ctypes.CDLL(None).syncfs(descriptor)
    os.close(descriptor)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
