"""Why a key and certificates are not a chain, or can't be read or written as one. No message ever holds key material."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors.base import AgentError
from agent.errors.wording import few, quoted


class ChainError(AgentError):
    """A key and certificates are not a chain."""

    code = "chain"


class KeyMismatch(ChainError):
    """The key belongs to none of the certificates."""

    code = "chain.key_mismatch"
    cause = "The private key does not belong to the certificate of {certificates:quoted few}."
    fix = "Give the key that the certificate was requested with, or request a new certificate for this key."
    certificates: Sequence[str]


class NoLeaf(ChainError):
    """There is no certificate that the key could belong to."""

    code = "chain.no_leaf"
    cause = "{what}."
    fix = "Add the certificate that was issued for the names of the service."
    authorities: Sequence[str]

    @property
    def what(self) -> str:
        """What was given, and what is missing."""
        if not self.authorities:
            return "No certificate was given"
        shown = few([quoted(each) for each in self.authorities])
        return f"Only certificates of authorities were given ({shown}), so the certificate of the service itself is missing"


class BrokenChain(ChainError):
    """The certificates do not lead from one to the next."""

    code = "chain.broken"


class IssuerMissing(BrokenChain):
    """Certificates were given, but not the one that issued this one."""

    code = "chain.issuer_missing"
    cause = (
        "The certificate of {certificate:quoted} was issued by {issuer:quoted}, which is missing; "
        "given was {given:quoted few}."
    )
    fix = "Add the certificate of {issuer:quoted}; its operator publishes it."
    certificate: str
    issuer: str
    given: Sequence[str]


class WrongIssuer(BrokenChain):
    """The next certificate is not the issuer's."""

    code = "chain.wrong_issuer"
    cause = (
        "The certificate of {certificate:quoted} was issued by {issuer:quoted}, "
        "but the certificate of {found:quoted} follows it."
    )
    fix = "Put each certificate before that of its issuer, the service's own first."
    certificate: str
    issuer: str
    found: str


class SignatureInvalid(BrokenChain):
    """A signature does not verify with the issuer's key."""

    code = "chain.signature_invalid"
    cause = "The signature on the certificate of {certificate:quoted} does not verify with the key of {issuer:quoted}."
    fix = "One of the two was altered or belongs to another key of {issuer:quoted}: get both again from there."
    certificate: str
    issuer: str


class IssuerMayNotSign(BrokenChain):
    """An issuer is not an authority for what it signed (RFC 5280 section 6.1.4)."""

    code = "chain.issuer_may_not_sign"
    cause = "The certificate of {issuer:quoted} may not sign what follows from it: {reason}."
    fix = "Ask the certificate authority for the right intermediate certificates."
    issuer: str
    reason: str


class UnusedCertificates(ChainError):
    """Certificates that belong to nothing else that was given."""

    code = "chain.unused_certificates"
    cause = "The certificate of {unused:quoted few} has nothing to do with the chain of {leaf:quoted}."
    fix = "Remove it, or give the certificates that link it."
    leaf: str
    unused: Sequence[str]


class LeafIsAuthority(ChainError):
    """The key belongs to the certificate of an authority."""

    code = "chain.leaf_is_authority"
    cause = "The key belongs to {certificate:quoted}, which is a certificate authority and not a service."
    fix = "Give the key and the certificate of the service; an authority of your own is uploaded as the root."
    certificate: str


class WeakKey(ChainError):
    """Services and clients refuse so short a key. `authority`: whether it is one of somebody who issues certificates."""

    code = "chain.weak_key"
    cause = "The {kind} key{owner:? of %} has {bits} bits, and services and clients refuse less than {least}."
    fix = (
        "{issuer:?Ask the certificate authority for a chain whose issuers all have stronger keys."
        " or Make a new key (ECDSA P-256, or RSA with 2048 bits or more) and request a new certificate.}"
    )
    bits: int
    certificate: str = ""
    kind: str = "RSA"
    least: int = 2048
    authority: bool = False

    @property
    def issuer(self) -> str:
        """Title of the certificate of an authority."""
        return self.certificate if self.authority else ""

    @property
    def owner(self) -> str:
        """Title of the certificate, in quotes."""
        return self.certificate and quoted(self.certificate)


class WeakSignature(ChainError):
    """Services and clients refuse a signature made with so weak a digest."""

    code = "chain.weak_signature"
    cause = "The certificate of {certificate:quoted} is signed with {digest}, which services and clients refuse."
    fix = "Ask the certificate authority for one that is signed with SHA-256 or better."
    certificate: str
    digest: str


class ChainTooLarge(ChainError):
    """A service sends its chain in one message, and clients read no longer one."""

    code = "chain.too_large"
    cause = "The chain of {certificate:quoted} is longer than the {most} bytes that clients read."
    fix = "Ask the certificate authority for a certificate with fewer names, or for smaller intermediate ones."
    certificate: str
    most: int


class CriticalExtensionUnknown(ChainError):
    """A certificate says what clients must understand, and they don't (RFC 5280 section 4.2)."""

    code = "chain.critical_extension"
    cause = (
        "The certificate of {certificate:quoted} has the critical extension {oid}, which no client knows, "
        "so every client refuses it."
    )
    fix = "Ask the certificate authority for one without this extension, or with it marked as not critical."
    certificate: str
    oid: str


class Precertificate(ChainError):
    """A certificate that was made only to be logged (RFC 6962 section 3.1)."""

    code = "chain.precertificate"
    cause = (
        "The certificate of {certificate:quoted} is a precertificate, made for the logs of Certificate Transparency "
        "only, and every client refuses it."
    )
    fix = "Download the certificate itself from the certificate authority."
    certificate: str


class NotForClients(ChainError):
    """The extended key usage has no clientAuth (RFC 5280 section 4.2.1.12)."""

    code = "chain.not_for_clients"
    cause = "The certificate of {certificate:quoted} is not for clients; its extended key usage is {usages}."
    fix = "Ask the certificate authority for one with clientAuth (TLS web client authentication)."
    certificate: str
    usages: Sequence[str]


class KeyNotServable(ChainError):
    """A key that is bound to RSASSA-PSS (RFC 4055 section 1.2)."""

    code = "chain.key_not_servable"
    cause = "The certificate of {certificate:quoted} is for an RSA-PSS key, which nginx and other services can't serve."
    fix = "Make a new key (ECDSA P-256, or ordinary RSA with 2048 bits or more) and request a new certificate."
    certificate: str


class ClientsRefuse(ChainError):
    """Verifiers of others refuse what the agent's own checks found nothing in. `words` are theirs."""

    code = "chain.clients_refuse"
    cause = "Clients refuse the chain of {certificate:quoted}: {words}."
    fix = "Ask the certificate authority for a chain that clients accept."
    certificate: str
    words: str


class KeyUnsupported(ChainError):
    """A kind of key that no service here can use."""

    code = "chain.key_unsupported"
    cause = "Keys of the type {kind:quoted} are not supported."
    fix = (
        "Make a new key of ECDSA P-256 or P-384, RSA with 2048 bits or more, or Ed25519, and request a new certificate: "
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out new.key"
    )
    kind: str


class KeyUnreadable(ChainError):
    """The private key can't be read."""

    code = "chain.key_unreadable"
    cause = "The private key can't be read: {reason}."
    fix = 'Give it in PEM form, with its "BEGIN ... PRIVATE KEY" and "END" lines, without a password.'
    reason: str


class CertificateUnreadable(ChainError):
    """A certificate can't be read."""

    code = "chain.certificate_unreadable"
    cause = "A certificate can't be read: {reason}."
    fix = 'Give it in PEM form, with its "BEGIN CERTIFICATE" and "END CERTIFICATE" lines.'
    reason: str
    detail: str = ""


class ContentUnexpected(ChainError):
    """Bytes that should hold declared parts hold something else."""

    code = "chain.content_unexpected"
    cause = "This is not {parts:plus} in the format {format_}: {reason}."
    fix = "Render it again with `chainwright apply`."
    parts: Sequence[str]
    format_: str
    reason: str


class NotEncodable(ChainError):
    """A plugin declared parts and a format that don't go together."""

    code = "chain.not_encodable"
    cause = "The parts {parts:plus} can't be written in the format {format_}: {reason}."
    fix = "Change `parts`, `format` or `index` of the file in the plugin's declaration."
    parts: Sequence[str]
    format_: str
    reason: str
