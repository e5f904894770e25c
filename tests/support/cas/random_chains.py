"""Chains with random features, right and wrong, for comparing what verifiers make of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384
from cryptography.x509.oid import CertificatePoliciesOID, ExtendedKeyUsageOID
from hypothesis import strategies as st

from support.cas.certificates import Party, issue, named, rsa_key

HOST = "www.example.com"
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1.2"), b"\x05\x00")

USAGES = {
    "server": (ExtendedKeyUsageOID.SERVER_AUTH,),
    "client": (ExtendedKeyUsageOID.CLIENT_AUTH,),
    "any": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,),
    "server and any": (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),
    "code": (ExtendedKeyUsageOID.CODE_SIGNING,),
}
TREES = {
    "example.com": x509.DNSName("example.com"),
    ".example.com": x509.DNSName(".example.com"),
    "www.example.com": x509.DNSName(HOST),
    "example.org": x509.DNSName("example.org"),
    "EXAMPLE.com": x509.DNSName("EXAMPLE.com"),
    "every name": x509.DNSName(""),
    "10/8": x509.IPAddress(ip_network("10.0.0.0/8")),
    "192.0.2/24": x509.IPAddress(ip_network("192.0.2.0/24")),
    "2001:db8::/32": x509.IPAddress(ip_network("2001:db8::/32")),
    "O=Mine": x509.DirectoryName(named(None, "Mine")),
    "O=mine": x509.DirectoryName(named(None, "mine")),
    "e-mail example.com": x509.RFC822Name("example.com"),
    "e-mail .example.com": x509.RFC822Name(".example.com"),
    "URI example.com": x509.UniformResourceIdentifier("example.com"),
    "URI .example.com": x509.UniformResourceIdentifier(".example.com"),
}
NAMES = {
    HOST: x509.DNSName(HOST),
    "example.com": x509.DNSName("example.com"),
    "*.example.com": x509.DNSName("*.example.com"),
    "a.b.example.com": x509.DNSName("a.b.example.com"),
    "WWW.EXAMPLE.COM": x509.DNSName("WWW.EXAMPLE.COM"),
    "shop.example.org": x509.DNSName("shop.example.org"),
    "shop.example.com.": x509.DNSName("shop.example.com."),
    "under_score.example.com": x509.DNSName("under_score.example.com"),
    "10.1.2.3": x509.IPAddress(ip_network("10.1.2.3").network_address),
    "192.0.2.1": x509.IPAddress(ip_network("192.0.2.1").network_address),
    "2001:db8::1": x509.IPAddress(ip_network("2001:db8::1").network_address),
    "root@example.com": x509.RFC822Name("root@example.com"),
    "root@www.example.com": x509.RFC822Name("root@www.example.com"),
    "https://www.example.com/": x509.UniformResourceIdentifier("https://www.example.com/"),
    "urn:a": x509.UniformResourceIdentifier("urn:a"),
    "directory": x509.DirectoryName(named("a", "Mine")),
}
ALONE = [name for name in NAMES if not name.endswith(".")]
"""Names that a leaf may have alone. One that ends with a dot is for Chromium only, so the judge warns of it."""
TIMES = {"now": (0, 400), "past": (-60, 30), "future": (5, 90), "long": (0, 2000)}
"""Beginning and length of a validity, in days from now."""


@cache
def key_of(kind: str, number: int):
    """Return one of a few keys: making them for each example would take long."""
    match kind:
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "P-521":
            return ec.generate_private_key(ec.SECP521R1())
        case "brainpool":
            return ec.generate_private_key(ec.BrainpoolP256R1())
        case "P-192":
            return ec.generate_private_key(ec.SECP192R1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    return rsa_key(int(kind) + 0 * number)


def mostly(usual: object, *others: object) -> st.SearchStrategy:
    """Return a strategy that draws the usual value seven times in eight."""
    return st.integers(0, 7).flatmap(lambda at: st.sampled_from(others) if at == 7 else st.just(usual))


@dataclass(frozen=True)
class Features:
    """What one certificate is like."""

    key: str = "P-256"
    digest: str = "sha256"
    time: str = "now"
    usage: str | None = None
    critical: bool = False
    constraints: bool = True
    ca: bool | None = None
    pathlen: int | None = None
    cert_sign: bool | None = None
    identifiers: bool = True
    own_identifier: bool = True
    organization: str = ""
    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    policy: str = ""
    foreign_issuer: bool = False
    other: str = ""


DIGESTS = {"sha256": SHA256(), "sha384": SHA384(), "sha224": SHA224()}
KEYS = ("P-384", "P-521", "2048", "3072", "1024", "Ed25519", "brainpool", "P-192")
EXTRA = {
    "must-staple": x509.TLSFeature([x509.TLSFeatureType.status_request]),
    "poison": x509.PrecertPoison(),
    "any policy": x509.CertificatePolicies([x509.PolicyInformation(CertificatePoliciesOID.ANY_POLICY, None)]),
    "a policy": x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]),
    "explicit policy": x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None),
    "no any policy": x509.InhibitAnyPolicy(0),
    "no revocation check": x509.OCSPNoCheck(),
    "issuer's names": x509.IssuerAlternativeName([x509.DNSName("ca.example.com")]),
}
CRITICAL = frozenset({"poison", "explicit policy", "no any policy"})

common = {
    "time": mostly("now", "now", "now", "now", "past", "future", "long"),
    "digest": mostly("sha256", "sha256", "sha384", "sha224"),
    "critical": mostly(False, False, False, True),
    "identifiers": mostly(True, True, False),
    "own_identifier": mostly(True, True, False),
    "organization": st.sampled_from(("", "", "Mine", "MINE", "Other")),
    "foreign_issuer": mostly(False, False, False, False, True),
    "other": mostly("", "", *EXTRA),
}
authorities = st.builds(
    Features,
    key=mostly("P-256", "P-256", *KEYS),
    usage=mostly(None, None, None, "server", "server", *USAGES),
    ca=mostly(True, True, True, False),
    constraints=mostly(True, True, True, False),
    pathlen=mostly(None, None, 0, 1, 2),
    cert_sign=mostly(None, None, None, False),
    permitted=mostly((), (), *((each,) for each in TREES), ("example.com", "10/8"), ("O=Mine", "O=mine")),
    excluded=mostly((), (), *((each,) for each in TREES)),
    **common,
)
leaves = st.builds(
    Features,
    key=mostly("P-256", "P-384", "2048", "3072", "Ed25519"),
    usage=mostly("server", None, "server", *USAGES),
    ca=mostly(False, False, False, True),
    **common,
)


@dataclass(frozen=True)
class RandomChain:
    """Certificates of a service, and the root that clients trust."""

    leaf: Party
    intermediates: tuple[Party, ...]
    root: Party
    names: tuple[str, ...]

    @property
    def presented(self) -> tuple[x509.Certificate, ...]:
        return (self.leaf.certificate, *(each.certificate for each in self.intermediates))


@st.composite
def random_chains(draw: st.DrawFn, now: datetime) -> RandomChain:
    """Draw a chain below a root, with at most two authorities between, of which one may not be served."""
    top = _made(draw(authorities), None, "Toy Root", now, 0)
    issuer, between = top, list[Party]()
    for number in range(draw(mostly(1, 0, 1, 2, 2))):
        title = draw(mostly(f"Toy CA {number}", f"Toy CA {number}", "Toy Root"))
        issuer = _made(draw(authorities), issuer, title, now, number + 1)
        between.insert(0, issuer)
    names = draw(mostly((HOST,), (HOST,), *((HOST, each) for each in NAMES), *((each,) for each in ALONE), ()))
    leaf = _leaf(draw(leaves), issuer, names, draw(mostly(HOST, HOST, "a b", "other.example.net", None)), now)
    missing = between and draw(mostly(False, False, False, True))
    return RandomChain(leaf, tuple(between[:-1] if missing else between), top, names)


def _made(features: Features, issuer: Party | None, title: str, now: datetime, number: int) -> Party:
    return issue(title, issuer=issuer, **_options(features, now, number), **_of_authority(features))


def _leaf(features: Features, issuer: Party, names: tuple[str, ...], cn: str | None, now: datetime) -> Party:
    options = _options(features, now, 9)
    if names:
        alternatives = x509.SubjectAlternativeName([NAMES[name] for name in dict.fromkeys(names)])
        options["extensions"] += (alternatives,)
    return issue(cn, issuer=issuer, ca=bool(features.ca), **options)


def _of_authority(features: Features) -> dict:
    return {
        "ca": bool(features.ca),
        "constraints": features.constraints,
        "pathlen": features.pathlen if features.ca else None,
        "cert_sign": features.cert_sign,
    }


def _options(features: Features, now: datetime, number: int) -> dict:
    begin, days = TIMES[features.time]
    return {
        "key": key_of(features.key, number),
        "now": now + timedelta(days=begin),
        "days": days,
        "digest": DIGESTS[features.digest],
        "organization": features.organization,
        "identifiers": features.identifiers,
        "own_identifier": features.own_identifier,
        "issuer_name": named("Nobody") if features.foreign_issuer and number == 9 else None,
        "extensions": tuple(_extensions(features)),
        "critical": tuple(_critical(features)),
    }


def _extensions(features: Features):
    if features.usage:
        yield x509.ExtendedKeyUsage(USAGES[features.usage])
    if features.other and features.other not in CRITICAL:
        yield EXTRA[features.other]


def _critical(features: Features):
    if features.critical:
        yield UNKNOWN
    if features.other in CRITICAL:
        yield EXTRA[features.other]
    if features.permitted or features.excluded:
        trees = [[TREES[each] for each in some] or None for some in (features.permitted, features.excluded)]
        yield x509.NameConstraints(*trees)
