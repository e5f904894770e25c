"""Why a key and certificates are not a chain, or can't be read or written as one. No message ever holds key material."""

from __future__ import annotations

from collections.abc import Sequence

from agent.errors.name import quoted
from agent.errors.problem import AgentError


class ChainError(AgentError):
    """A key and certificates are not a chain."""

    code = "chain"


class KeyMismatch(ChainError):
    """The key belongs to none of the certificates."""

    code = "chain.key_mismatch"

    def __init__(self, certificates: Sequence[str]) -> None:
        super().__init__(
            f"The private key does not belong to the certificate of {_listed(certificates)}.",
            fix="Give the key that the certificate was requested with, or request a new certificate for this key.",
        )


class NoLeaf(ChainError):
    """There is no certificate that the key could belong to."""

    code = "chain.no_leaf"

    def __init__(self, authorities: Sequence[str]) -> None:
        what = (
            f"Only certificates of authorities were given ({_listed(authorities)})" if authorities else "No certificate"
        )
        super().__init__(
            f"{what}, so the certificate of the service itself is missing." if authorities else f"{what} was given.",
            fix="Add the certificate that was issued for the names of the service.",
        )


class BrokenChain(ChainError):
    """The certificates do not lead from one to the next."""

    code = "chain.broken"


class IssuerMissing(BrokenChain):
    """Certificates were given, but not the one that issued this one."""

    code = "chain.issuer_missing"

    def __init__(self, certificate: str, issuer: str, given: Sequence[str]) -> None:
        super().__init__(
            f"The certificate of {quoted(certificate)} was issued by {quoted(issuer)}, which is missing; "
            f"given was {_listed(given)}.",
            fix=f"Add the certificate of {quoted(issuer)}; its operator publishes it.",
        )


class WrongIssuer(BrokenChain):
    """The next certificate is not the issuer's."""

    code = "chain.wrong_issuer"

    def __init__(self, certificate: str, issuer: str, found: str) -> None:
        super().__init__(
            f"The certificate of {quoted(certificate)} was issued by {quoted(issuer)}, "
            f"but the certificate of {quoted(found)} follows it.",
            fix="Put each certificate before that of its issuer, the service's own first.",
        )


class SignatureInvalid(BrokenChain):
    """A signature does not verify with the issuer's key."""

    code = "chain.signature_invalid"

    def __init__(self, certificate: str, issuer: str) -> None:
        super().__init__(
            f"The signature on the certificate of {quoted(certificate)} does not verify with the key of {quoted(issuer)}.",
            fix=f"One of the two was altered or belongs to another key of {quoted(issuer)}: get both again from there.",
        )


class IssuerMayNotSign(BrokenChain):
    """An issuer is not an authority for what it signed (RFC 5280 section 6.1.4)."""

    code = "chain.issuer_may_not_sign"

    def __init__(self, issuer: str, reason: str) -> None:
        super().__init__(
            f"The certificate of {quoted(issuer)} may not sign what follows from it: {reason}.",
            fix="Ask the certificate authority for the right intermediate certificates.",
        )


class UnusedCertificates(ChainError):
    """Certificates that belong to nothing else that was given."""

    code = "chain.unused_certificates"

    def __init__(self, leaf: str, unused: Sequence[str]) -> None:
        super().__init__(
            f"The certificate of {_listed(unused)} has nothing to do with the chain of {quoted(leaf)}.",
            fix="Remove it, or give the certificates that link it.",
        )


class LeafIsAuthority(ChainError):
    """The key belongs to the certificate of an authority."""

    code = "chain.leaf_is_authority"

    def __init__(self, certificate: str) -> None:
        super().__init__(
            f"The key belongs to {quoted(certificate)}, which is a certificate authority and not a service.",
            fix="Give the key and the certificate of the service; an authority of your own is uploaded as the root.",
        )


class WeakKey(ChainError):
    """Services and clients refuse so short a key."""

    code = "chain.weak_key"

    def __init__(self, bits: int, certificate: str = "") -> None:
        owner = f" of {quoted(certificate)}" if certificate else ""
        super().__init__(
            f"The RSA key{owner} has {bits} bits, and services and clients refuse less than 2048.",
            fix="Make a new key (ECDSA P-256, or RSA with 2048 bits or more) and request a new certificate.",
        )


class WeakSignature(ChainError):
    """Services and clients refuse a signature made with so weak a digest."""

    code = "chain.weak_signature"

    def __init__(self, certificate: str, digest: str) -> None:
        super().__init__(
            f"The certificate of {quoted(certificate)} is signed with {digest.upper()}, which services and clients refuse.",
            fix="Ask the certificate authority for one that is signed with SHA-256 or better.",
        )


class KeyUnsupported(ChainError):
    """A kind of key that no service here can use."""

    code = "chain.key_unsupported"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"Keys of the type {quoted(kind)} are not supported.",
            fix="Use ECDSA P-256 or P-384, RSA with 2048 bits or more, or Ed25519.",
        )


class KeyUnreadable(ChainError):
    """The private key can't be read."""

    code = "chain.key_unreadable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The private key can't be read: {reason}.",
            fix='Give it in PEM form, with its "BEGIN ... PRIVATE KEY" and "END" lines, without a password.',
        )


class CertificateUnreadable(ChainError):
    """A certificate can't be read."""

    code = "chain.certificate_unreadable"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(
            f"A certificate can't be read: {reason}.",
            fix='Give it in PEM form, with its "BEGIN CERTIFICATE" and "END CERTIFICATE" lines.',
            detail=detail,
        )


class ContentUnexpected(ChainError):
    """Bytes that should hold declared parts hold something else."""

    code = "chain.content_unexpected"

    def __init__(self, parts: Sequence[str], format_: str, reason: str) -> None:
        super().__init__(
            f"This is not {' + '.join(parts)} in the format {format_}: {reason}.",
            fix="Render it again with `chainwright apply`.",
        )


class NotEncodable(ChainError):
    """A plugin declared parts and a format that don't go together."""

    code = "chain.not_encodable"

    def __init__(self, parts: Sequence[str], format_: str, reason: str) -> None:
        super().__init__(
            f"The parts {' + '.join(parts)} can't be written in the format {format_}: {reason}.",
            fix="Change `parts`, `format` or `index` of the file in the plugin's declaration.",
        )


def _listed(titles: Sequence[str]) -> str:
    """Return up to three titles and how many there are besides."""
    shown = ", ".join(quoted(title) for title in titles[:3])
    return shown if len(titles) <= 3 else f"{shown} and {len(titles) - 3} more"
