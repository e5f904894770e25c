"""Warnings: what some clients refuse in a certification path, and which ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding
from cryptography.x509.oid import ExtensionOID, PublicKeyAlgorithmOID

from agent.errors.name import NameInvalid
from agent.errors.wording import quoted
from agent.pki.certificate import (
    authority_key_id_of,
    dns_names_of,
    extension,
    identifies_issuer,
    is_authority,
    is_self_issued,
    is_self_signed,
    key_id_of,
    title_of,
)
from agent.pki.certificate_checks import NETSCAPE_TYPE, RFC_3779
from agent.pki.judgement import Objection
from agent.pki.name_constraints import half_excluded
from agent.pki.path import WEAK_DIGESTS
from agent.pki.second_opinions import CRYPTOGRAPHY, OPENSSL, STRICT
from agent.system.names import is_address, parse_name

LONGEST_LIFE = timedelta(days=825)
"""Apple's clients refuse longer ones, also of private authorities (support.apple.com, HT210176)."""
SHOWN_NAMES = 3
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
"""Curves that browsers know."""

DIGESTS = frozenset({"sha256", "sha384", "sha512"})
"""Digests that browsers know, and that are not refused by their strength."""
ODD_PSS = "RSA-PSS with other parameters than its digest's (RFC 4055 section 3.1)"

WRITTEN_OUT = "written out instead of named"
PRIME_FIELD = bytes.fromhex("06072a8648ce3d0101")
"""Object identifier in the parameters of a curve that is not named (SEC 1 section C.2)."""

LONGEST_FOR_GNUTLS = 16
"""Certificates of a path (gnutls_certificate_set_verify_limits)."""
PARTLY_KNOWN = frozenset({
    ExtensionOID.POLICY_MAPPINGS, ExtensionOID.POLICY_CONSTRAINTS, ExtensionOID.OCSP_NO_CHECK,
    NETSCAPE_TYPE, *RFC_3779,
})  # fmt: skip
"""Extensions that OpenSSL understands where they are critical, and not all clients."""
KINDS_NOT_COMPARED = (x509.DirectoryName, x509.RegisteredID, x509.OtherName)
"""Kinds of names in constraints that GnuTLS refuses for not being able to compare them."""

CHROMIUM, FIREFOX, APPLE, GNUTLS, JAVA, GO = "Chromium", "Firefox", "Apple's clients", "GnuTLS", "Java", "Go"
MODERN = "modern clients"
WITH_TLS_1_3 = "clients with TLS 1.3"


def warnings_of(path: Sequence[x509.Certificate]) -> Iterator[Objection]:
    """Yield what some clients refuse in a path: leaf, intermediates, and the trust anchor where it is known."""
    yield from _of_leaf(path[0])
    for certificate in path:
        yield from _of_algorithms(certificate)
        yield from _of_identifiers(certificate)
        yield from _of_form(certificate)
        yield from _of_extensions(certificate)
    for certificate, issuer in pairwise(path):
        yield from _of_link(certificate, issuer)
        yield from _of_stapling(issuer)
    if is_self_signed(path[-1]) and not identifies_issuer(path[-1], path[-1]):
        what = f"the root {quoted(title_of(path[-1]))} has the authority key identifier of another certificate"
        yield _warning("chain.aki_mismatch", path[-1], what, OPENSSL)
    if len(path) > LONGEST_FOR_GNUTLS:
        what = f"{len(path)} certificates lead from the leaf to the root"
        yield _warning("chain.long_path", path[0], what, GNUTLS, CRYPTOGRAPHY)
    for name, authority in half_excluded(path):
        what = f"{quoted(title_of(authority))} may not issue for some of the names of {quoted(name)}"
        yield _warning("chain.wildcard_half_excluded", path[0], what, CHROMIUM, GO, CRYPTOGRAPHY)


def _of_leaf(leaf: x509.Certificate) -> Iterator[Objection]:
    if leaf.not_valid_after_utc - leaf.not_valid_before_utc > LONGEST_LIFE:
        yield _warning("chain.long_life", leaf, f"valid for more than {LONGEST_LIFE.days} days", APPLE)
    yield from _of_names(leaf)
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        yield _warning("chain.no_digital_signature", leaf, "its key usage lacks digitalSignature", WITH_TLS_1_3)
    if is_authority(leaf):
        what = "it says that it is a certificate authority"
        yield _warning("chain.leaf_is_authority", leaf, what, FIREFOX, CRYPTOGRAPHY)
    if _demands_stapling(leaf):
        what = "it demands a stapled OCSP response (must-staple), and no service here staples one"
        yield _warning("chain.must_staple", leaf, what, FIREFOX, GNUTLS)


def _demands_stapling(certificate: x509.Certificate) -> bool:
    feature = extension(certificate, x509.TLSFeature)
    return feature is not None and x509.TLSFeatureType.status_request in feature


def _of_stapling(issuer: x509.Certificate) -> Iterator[Objection]:
    """Yield an issuer that demands it of what it issues (RFC 7633 section 4.2.2)."""
    if _demands_stapling(issuer):
        what = f"{quoted(title_of(issuer))} demands a stapled OCSP response (must-staple) of all that it issues"
        yield _warning("chain.must_staple", issuer, what, FIREFOX, GNUTLS)


def _of_names(leaf: x509.Certificate) -> Iterator[Objection]:
    alternatives = _alternatives(leaf)
    if alternatives is None:
        yield _warning("chain.no_san", leaf, "has no SAN", CHROMIUM, FIREFOX, APPLE, GO, CRYPTOGRAPHY)
    elif not leaf.subject.rdns and not alternatives.critical:
        what = "its subject is empty, and its SAN is not critical (RFC 5280 section 4.2.1.6)"
        yield _warning("chain.empty_subject", leaf, what, CHROMIUM, APPLE, JAVA, STRICT, CRYPTOGRAPHY)
    names = dns_names_of(leaf)
    if "" in names:
        yield _warning("chain.empty_name", leaf, "there is an empty name in its SAN", GNUTLS)
    unusable = [text for text in names if text and not _is_name(text)]
    if unusable:
        yield _objection("chain.unusable_names", leaf, f"names that no client accepts: {_listed(unusable)}", "")
    addresses = [text for text in names if _is_name(text) and is_address(parse_name(text))]
    if addresses:
        sentence = f"addresses among the DNS names, where no modern client looks: {_listed(addresses)}"
        yield _objection("chain.addresses_as_names", leaf, sentence, MODERN)
    dotted = [text for text in names if text.endswith(".") and _is_name(text)]
    if dotted:
        yield _warning(
            "chain.trailing_dot", leaf, f"names that end with a dot ({_listed(dotted)})", OPENSSL, GNUTLS, FIREFOX
        )


def _of_algorithms(certificate: x509.Certificate) -> Iterator[Objection]:
    kind = _unusual_key(certificate)
    if kind:
        what = f"the key of {quoted(title_of(certificate))} is {kind}"
        unknown = "curve" in kind and "secp224r1" not in kind
        others = (*([OPENSSL] if WRITTEN_OUT in kind else []), *([GNUTLS] if unknown else []))
        of_issuer = [CRYPTOGRAPHY] if is_authority(certificate) else []  # it looks at keys that sign only
        yield _warning("chain.unusual_key", certificate, what, CHROMIUM, FIREFOX, *others, *of_issuer)
    signed = _unusual_signature(certificate)
    if signed and not is_self_signed(certificate):
        what = f"{quoted(title_of(certificate))} is signed with {signed}"
        others = (GNUTLS,) if signed == ODD_PSS else ()
        yield _warning("chain.unusual_signature", certificate, what, CHROMIUM, FIREFOX, *others, CRYPTOGRAPHY)


def _unusual_key(certificate: x509.Certificate) -> str:
    """Return the kind of a key that browsers don't take, else an empty text."""
    if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
        return "an RSA-PSS key"
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):  # refused by its strength
        return ""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "an Ed25519 key"
    if isinstance(key, (ed448.Ed448PublicKey, dsa.DSAPublicKey)):
        return "an Ed448 key" if isinstance(key, ed448.Ed448PublicKey) else "a DSA key"
    return _unusual_curve(key, certificate) if isinstance(key, ec.EllipticCurvePublicKey) else ""


def _unusual_curve(key: ec.EllipticCurvePublicKey, certificate: x509.Certificate) -> str:
    if key.curve.name not in CURVES:
        return f"on the curve {key.curve.name}"
    named = PRIME_FIELD not in certificate.tbs_certificate_bytes
    return "" if named else f"on a curve that is {WRITTEN_OUT} (RFC 5480 section 2.1.1)"


def _unusual_signature(certificate: x509.Certificate) -> str:
    """Return how a certificate is signed if browsers don't take it, else an empty text."""
    try:
        digest, parameters = certificate.signature_hash_algorithm, certificate.signature_algorithm_parameters
    except (ValueError, UnsupportedAlgorithm):  # refused by its strength
        return ""
    if digest is None or digest.name not in DIGESTS:
        return "" if digest is None or digest.name in WEAK_DIGESTS else digest.name.upper().replace("SHA2", "SHA-2")
    if not isinstance(parameters, padding.PSS):
        return ""
    usual = parameters._salt_length == digest.digest_size and parameters.mgf._algorithm.name == digest.name
    return "" if usual else ODD_PSS


def _of_form(certificate: x509.Certificate) -> Iterator[Objection]:
    """Yield what RFC 5280 sections 4.1.2.1 and 4.1.2.6 demand and is absent."""
    title = quoted(title_of(certificate))
    if certificate.version is x509.Version.v1 and len(certificate.extensions):
        what = f"{title} has extensions, and says that it is of version 1, which has none"
        yield _warning("chain.version", certificate, what, CHROMIUM, FIREFOX, GNUTLS, STRICT, CRYPTOGRAPHY)
    if is_authority(certificate) and not certificate.subject.rdns:
        what = f"the authority with the {title_of(certificate)} has an empty subject"
        yield _warning("chain.empty_issuer", certificate, what, STRICT, CRYPTOGRAPHY)


def _of_identifiers(certificate: x509.Certificate) -> Iterator[Objection]:
    """Yield what RFC 5280 sections 4.2.1.1 and 4.2.1.2 demand and is absent."""
    title = quoted(title_of(certificate))
    if extension(certificate, x509.AuthorityKeyIdentifier) is None and not is_self_issued(certificate):
        yield _warning("chain.no_aki", certificate, f"{title} has no authority key identifier", STRICT, CRYPTOGRAPHY)
    if is_authority(certificate) and key_id_of(certificate) is None:
        yield _warning("chain.no_ski", certificate, f"the authority {title} has no subject key identifier", STRICT)


def _of_extensions(certificate: x509.Certificate) -> Iterator[Objection]:
    """Yield what some clients don't understand, so that they refuse it."""
    title = quoted(title_of(certificate))
    for each in certificate.extensions:
        if each.critical and each.oid in PARTLY_KNOWN:
            what = f"{title} has the critical extension {each.oid.dotted_string}"
            yield _warning("chain.critical_for_some", certificate, what, GNUTLS, CRYPTOGRAPHY)
    constraints = extension(certificate, x509.NameConstraints)
    trees = (*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ())) if constraints else ()
    if any(isinstance(tree, KINDS_NOT_COMPARED) for tree in trees):
        what = f"{title} has name constraints of a kind that not every client compares"
        yield _warning("chain.constraints_not_compared", certificate, what, GNUTLS)


def _of_link(certificate: x509.Certificate, issuer: x509.Certificate) -> Iterator[Objection]:
    title, above = quoted(title_of(certificate)), quoted(title_of(issuer))
    if not identifies_issuer(certificate, issuer):
        what = f"the authority key identifier of {title} is of another certificate than that of {above}"
        yield _warning(
            "chain.aki_mismatch", certificate, what, OPENSSL, *([] if _is_key_meant(certificate, issuer) else [GNUTLS])
        )
    if certificate.issuer.public_bytes() != issuer.subject.public_bytes():
        what = f"{title} writes the name of its issuer in another encoding than {above} does"
        others = [GNUTLS] if certificate.issuer != issuer.subject else []  # it looks through types of strings only
        yield _warning("chain.name_encoding", certificate, what, *others, GO, CRYPTOGRAPHY)


def _is_key_meant(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `certificate` means the key of `issuer`: not every client compares more than that."""
    meant, own = authority_key_id_of(certificate), key_id_of(issuer)
    return meant is None or own is None or meant == own


def _alternatives(leaf: x509.Certificate) -> x509.Extension[x509.SubjectAlternativeName] | None:
    try:
        return leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None


def _warning(code: str, certificate: x509.Certificate, what: str, *clients: str) -> Objection:
    who = " and ".join(filter(None, [", ".join(clients[:-1]), clients[-1]]))
    one = len(clients) == 1 and who not in {APPLE, MODERN, WITH_TLS_1_3}
    return _objection(code, certificate, f"{what}: {who} {'refuses' if one else 'refuse'} it", who)


def _objection(code: str, certificate: x509.Certificate, sentence: str, clients: str) -> Objection:
    return Objection(code, title_of(certificate), sentence, clients)


def _is_name(text: str) -> bool:
    try:
        parse_name(text)
    except NameInvalid:
        return False
    return text.isascii()


def _listed(texts: Sequence[str]) -> str:
    shown = ", ".join(quoted(text) for text in texts[:SHOWN_NAMES])
    return shown if len(texts) <= SHOWN_NAMES else f"{shown} and {len(texts) - SHOWN_NAMES} more"
