"""Chains with random features, right and wrong, for comparing what verifiers make of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384
from cryptography.x509.oid import CertificatePoliciesOID, ExtendedKeyUsageOID, ExtensionOID, NameOID
from hypothesis import strategies as st

from support.cas.certificates import Party, dsa_key, issue, named, rsa_key
from support.fakes.uploads import tlv

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
RAW_NAMES = {
    "a blank before": b" www.example.com",
    "a blank behind": b"www.example.com ",
    "empty": b"",
    "a star": b"*",
    "half a star": b"w*.example.com",
    "a star between": b"www.*.com",
    "Unicode": "wüw.example.com".encode(),
    "an address": b"192.0.2.1",
    "a long label": b"a" * 64 + b".example.com",
    "a dot before": b".example.com",
    "two dots": b"www..example.com",
}
"""DNS names that are none, as they are in a certificate; an address may be asked for."""
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
        case "P-224":
            return ec.generate_private_key(ec.SECP224R1())
        case "DSA":
            return dsa_key()
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
    issuer: str = ""
    """How it writes the name of its issuer."""
    identified: str = ""
    """What its authority key identifier names of another certificate."""
    other: str = ""


DIGESTS = {"sha256": SHA256(), "sha384": SHA384(), "sha224": SHA224()}
KEYS = ("P-384", "P-521", "2048", "3072", "1024", "Ed25519", "brainpool", "P-192", "P-224", "DSA")
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
    "issuer": mostly("", "", "", "Nobody", "other letters", "other blanks", "Unicode's letters"),
    "identified": mostly("", "", "", "key", "serial"),
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
    asked: str
    """Name that clients ask for."""

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
    every = (*NAMES, *RAW_NAMES)
    names = draw(
        mostly((HOST,), (HOST,), *((HOST, each) for each in every), *((each,) for each in (*ALONE, *RAW_NAMES)), ())
    )
    cn = draw(mostly(HOST, HOST, "a b", "other.example.net", f"{HOST}.", "*.example.com", "192.0.2.1", None))
    leaf = _leaf(draw(leaves), issuer, names, cn, now)
    missing = between and draw(mostly(False, False, False, True))
    return RandomChain(leaf, tuple(between[:-1] if missing else between), top, names, _asked(names, cn))


def _asked(names: tuple[str, ...], cn: str | None) -> str:
    """Return the name that clients ask for: the first that may be one, else that of the subject, or the usual one."""
    if not names:
        return "192.0.2.1" if cn == "192.0.2.1" else HOST
    if names[0] in RAW_NAMES:
        return "192.0.2.1" if names[0] == "an address" else HOST
    return names[0].rstrip(".").lower() if names[0][0].isalnum() else HOST


def _made(features: Features, issuer: Party | None, title: str, now: datetime, number: int) -> Party:
    return issue(title, issuer=issuer, **_options(features, now, number, issuer), **_of_authority(features))


def _leaf(features: Features, issuer: Party, names: tuple[str, ...], cn: str | None, now: datetime) -> Party:
    options = _options(features, now, 9, issuer)
    if names:
        encoded = b"".join(_encoded(name) for name in dict.fromkeys(names))
        options["extensions"] += (
            x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, tlv(0x30, encoded)),
        )
    return issue(cn, issuer=issuer, ca=bool(features.ca), **options)


def _encoded(name: str) -> bytes:
    """Return a name as it is in a certificate, where it may be none."""
    if name in RAW_NAMES:
        return tlv(0x82, RAW_NAMES[name])
    return x509.SubjectAlternativeName([NAMES[name]]).public_bytes()[2:]


def _of_authority(features: Features) -> dict:
    return {
        "ca": bool(features.ca),
        "constraints": features.constraints,
        "pathlen": features.pathlen if features.ca else None,
        "cert_sign": features.cert_sign,
    }


def _options(features: Features, now: datetime, number: int, issuer: Party | None) -> dict:
    begin, days = TIMES[features.time]
    return {
        "key": key_of(features.key, number),
        "now": now + timedelta(days=begin),
        "days": days,
        "digest": DIGESTS[features.digest],
        "organization": features.organization,
        "identifiers": features.identifiers and not (features.identified and issuer),
        "own_identifier": features.own_identifier,
        "issuer_name": _issuer_name(features.issuer, issuer) if issuer else None,
        "extensions": (*_extensions(features), *(_identifiers(features, number, issuer) if issuer else ())),
        "critical": tuple(_critical(features)),
    }


def _issuer_name(how: str, issuer: Party) -> x509.Name | None:
    """Return what a certificate says its issuer's name is; None: as it is."""
    own = issuer.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    organization = "".join(
        each.value for each in issuer.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    )
    written = {
        "Nobody": "Nobody",
        "other letters": own.upper(),
        "other blanks": own.replace(" ", "  "),
        "Unicode's letters": own.replace("T", "\uff34"),
    }
    return named(written[how], organization) if how else None


def _identifiers(features: Features, number: int, issuer: Party):
    """Yield identifiers of which one names something of another certificate."""
    if not features.identified or not features.identifiers:
        return
    yield x509.SubjectKeyIdentifier.from_public_key(key_of(features.key, number).public_key())
    if features.identified == "key":
        yield x509.AuthorityKeyIdentifier(b"another", None, None)
    else:
        key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()).key_identifier
        yield x509.AuthorityKeyIdentifier(key, [x509.DirectoryName(issuer.certificate.issuer)], 1)


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
