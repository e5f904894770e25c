"""Certificates of any shape, right or wrong, for tests that need more than the product's own root makes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def p256_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def dsa_key() -> dsa.DSAPrivateKey:
    """Return a key that was made once: looking for the numbers of a new one takes seconds."""
    key = load_pem_private_key(Path(__file__).with_name("dsa_2048.pem").read_bytes(), None)
    assert isinstance(key, dsa.DSAPrivateKey)
    return key


def named(cn: str | None, organization: str = "") -> x509.Name:
    words = {NameOID.ORGANIZATION_NAME: organization, NameOID.COMMON_NAME: cn}
    return x509.Name([x509.NameAttribute(oid, word) for oid, word in words.items() if word])


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def key_pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@dataclass(frozen=True)
class Party:
    """A key and its certificate; an authority can issue."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    certificate: x509.Certificate

    def authority(self, cn: str, **options) -> Party:
        return issue(cn, issuer=self, ca=True, **options)

    def leaf(self, *names: str, **options) -> Party:
        wanted = {"cn": names[0] if names else None, "names": names, **options}
        return issue(wanted.pop("cn"), issuer=self, **wanted)


def root(cn: str = "Toy Root", **options) -> Party:
    return issue(cn, issuer=None, ca=True, **{"days": 3650, **options})


def issue(
    cn: str | None,
    *,
    issuer: Party | None,
    names: tuple[str, ...] = (),
    ca: bool = False,
    key=None,
    pathlen: int | None = None,
    cert_sign: bool | None = None,
    constraints: bool = True,
    identifiers: bool = True,
    own_identifier: bool = True,
    issuer_name: x509.Name | None = None,
    san_critical: bool = False,
    now: datetime = NOW,
    days: int = 90,
    digest: hashes.HashAlgorithm | None = None,
    extensions: tuple[x509.ExtensionType, ...] = (),
    critical: tuple[x509.ExtensionType, ...] = (),
    organization: str = "",
    rsa_padding: padding.PSS | None = None,
) -> Party:
    key = key or p256_key()
    subject = named(cn, organization)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name or (issuer.certificate.subject if issuer else subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + days * DAY)
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=pathlen), critical=True)
    own = any(isinstance(each, x509.KeyUsage) for each in extensions)
    if cert_sign is not None or (ca and not own):  # clients of Python 3.13 and later refuse an authority without
        builder = builder.add_extension(key_usage(cert_sign=cert_sign is not False), critical=True)
    if identifiers:
        signer = issuer.key if issuer else key
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        for extension in (above, own) if own_identifier else (above,):
            builder = builder.add_extension(extension, critical=False)
    if names:
        alternatives = x509.SubjectAlternativeName([general(name) for name in names])
        builder = builder.add_extension(alternatives, critical=san_critical)
    for extension in (*extensions, *critical):
        builder = builder.add_extension(extension, critical=extension in critical)
    return Party(key, _signed(builder, issuer.key if issuer else key, digest, rsa_padding))


def _signed(
    builder: x509.CertificateBuilder, key, digest: hashes.HashAlgorithm | None, rsa_padding: padding.PSS | None
) -> x509.Certificate:
    edwards = isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    return builder.sign(key, None if edwards else digest or hashes.SHA256(), rsa_padding=rsa_padding)


def general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def key_usage(*, cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=cert_sign,
        crl_sign=cert_sign,
        encipher_only=False,
        decipher_only=False,
    )


def crl_points(*urls: str) -> tuple[x509.ExtensionType, ...]:
    """Return the extension that says where lists of revoked certificates are (RFC 5280 section 4.2.1.13)."""
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    return (x509.CRLDistributionPoints(points),) if points else ()
