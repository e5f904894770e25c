"""Why what an administrator uploads is not taken. No message ever holds key material or a passphrase."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.errors.name import quoted
from agent.errors.problem import AgentError, rfc3339

WANTED = "Give the certificate, its private key and the certificates of its issuers, as PEM, DER, PKCS#7 or PKCS#12."
SEPARATELY = "Upload them separately, each with its own private key and the certificates of its issuers."


class UploadError(AgentError):
    """What was uploaded is refused; nothing is stored."""

    code = "upload"


class NothingGiven(UploadError):
    """No file and no text, or nothing in them."""

    code = "upload.nothing_given"

    def __init__(self) -> None:
        super().__init__("Nothing was given: there is no file and no text.", fix=WANTED)


class TooLarge(UploadError):
    """More bytes than any chain has."""

    code = "upload.too_large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"The upload has {size} bytes, and {limit} are allowed.",
            fix="Give only the certificate, its private key and the certificates of its issuers.",
        )


class TooManyKeys(UploadError):
    """More private keys than anyone gives by mistake."""

    code = "upload.too_many_keys"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The upload holds more than {limit} private keys.",
            fix="Give only the one that the certificate was requested with.",
        )


class TooManyCertificates(UploadError):
    """More certificates than any chain has."""

    code = "upload.too_many_certificates"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The upload holds more than {limit} certificates.",
            fix="Give only those that lead from the certificate to its root, not a whole collection of roots.",
        )


class NotACertificate(UploadError):
    """Something else was chosen."""

    code = "upload.not_a_certificate"

    def __init__(self, place: str, looks_like: str, cure: str) -> None:
        super().__init__(
            f"This is neither a certificate nor a private key; it looks like {looks_like}.", where=place, fix=cure
        )


class BrokenBlock(UploadError):
    """A PEM block is not whole (RFC 7468)."""

    code = "upload.broken_block"

    def __init__(self, place: str, number: int, label: str, reason: str) -> None:
        super().__init__(
            f"Block {number} ({quoted(label)}) is broken: {reason}.",
            where=place,
            fix="Copy it again as a whole, from its BEGIN line to its END line.",
        )


class Damaged(UploadError):
    """It is of a kind that is known, and can't be read."""

    code = "upload.damaged"

    def __init__(self, place: str, what: str, detail: str = "") -> None:
        super().__init__(
            f"This is {what}, but it is damaged.",
            where=place,
            fix="Get it again from where it comes from; binary files must be copied unchanged.",
            detail=detail,
        )


class OddCertificate(UploadError):
    """A certificate that clients refuse, or that they may read in another way than its issuer meant."""

    code = "upload.odd_certificate"

    def __init__(self, certificate: str, reason: str) -> None:
        super().__init__(
            f"The certificate of {quoted(certificate)} is not well-formed: {reason}.",
            fix="Ask the certificate authority for a correct one.",
        )


class PassphraseMissing(UploadError):
    """The private key is encrypted, and nobody said with what."""

    code = "upload.passphrase_missing"

    def __init__(self, place: str) -> None:
        super().__init__(
            "The private key is encrypted, and no passphrase was given.",
            where=place,
            fix="Enter its passphrase (--passphrase-file FILE), or decrypt it: openssl pkey -in key.pem -out plain.pem",
        )


class PassphraseWrong(UploadError):
    """The passphrase does not open it."""

    code = "upload.passphrase_wrong"

    def __init__(self, place: str) -> None:
        super().__init__(
            "The passphrase does not open it.",
            where=place,
            fix="Enter the passphrase that it was encrypted with; mind capital letters and the keyboard's layout.",
        )


class TooCostly(UploadError):
    """Opening or checking it would keep the agent busy for minutes."""

    code = "upload.too_costly"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"The private key is not opened: {reason}.",
            where=place,
            fix="Write it again with usual parameters: openssl pkey -in key.pem -out plain.pem",
        )


class KeyMissing(UploadError):
    """Certificates without their private key."""

    code = "upload.key_missing"

    def __init__(self, given: Sequence[str]) -> None:
        super().__init__(
            f"There is no private key in what was given ({'; '.join(given)}).",
            fix='Add it: a block "BEGIN PRIVATE KEY" in the file, or the .key file too.',
        )


class CertificateMissing(UploadError):
    """A private key without a certificate."""

    code = "upload.certificate_missing"

    def __init__(self, given: Sequence[str]) -> None:
        super().__init__(
            f"There is no certificate in what was given ({'; '.join(given)}).",
            fix="Add the certificate that was issued for this key, and those of its issuers.",
        )


class PairMismatch(UploadError):
    """The private key belongs to another certificate."""

    code = "upload.pair_mismatch"

    def __init__(self, certificate: str, of_certificate: str, of_key: str) -> None:
        super().__init__(
            f"Key and certificate do not match: the SHA-256 of the public key begins with {of_certificate} in the "
            f"certificate of {quoted(certificate)}, and with {of_key} for the private key.",
            fix="Give the key that the certificate was requested with. Was a new request made later?",
        )


class NoKeyFits(UploadError):
    """Several private keys, and none is the certificate's."""

    code = "upload.no_key_fits"

    def __init__(self, places: Sequence[str], certificate: str) -> None:
        super().__init__(
            f"Not one of the {len(places)} private keys ({', '.join(places)}) belongs to {quoted(certificate)}.",
            fix="Give the one key that the certificate was requested with.",
        )


class StrayKey(UploadError):
    """One private key fits, and there is one more."""

    code = "upload.stray_key"

    def __init__(self, stray: str, certificate: str, fitting: str) -> None:
        super().__init__(
            f"There is a private key that belongs to no certificate ({stray}), beside that of {quoted(certificate)} "
            f"({fitting}).",
            fix=f"Leave out the key in {stray}, or upload it with its own certificate.",
        )


class TwoChains(UploadError):
    """Several services' certificates at once."""

    code = "upload.two_chains"

    def __init__(self, certificates: Sequence[str]) -> None:
        names = ", ".join(map(quoted, certificates))
        super().__init__(
            f"There are {len(certificates)} certificates with their private keys: {names}.", fix=SEPARATELY
        )


class TwoCertificates(UploadError):
    """One key, and certificates for different names."""

    code = "upload.two_certificates"

    def __init__(self, certificates: Sequence[str]) -> None:
        names = ", ".join(map(quoted, certificates))
        super().__init__(
            f"The private key belongs to {len(certificates)} certificates for different names: {names}.", fix=SEPARATELY
        )


class Incomplete(UploadError):
    """An issuer is neither there nor known."""

    code = "upload.incomplete"

    def __init__(self, certificate: str, issuer: str, url: str = "") -> None:
        source = f" (from {url})" if url else ""
        super().__init__(
            f"The chain is incomplete: {quoted(certificate)} was issued by {quoted(issuer)}, "
            "which is neither among what was given nor among the known roots.",
            fix=f"Add the certificate of {quoted(issuer)}{source}; "
            "the root of a private authority may also stand in /etc/chainwright/trust/.",
        )


class ParentsMissing(UploadError):
    """A subordinate authority without those above it."""

    code = "upload.parents_missing"

    def __init__(self, certificate: str, issuer: str, url: str = "") -> None:
        source = f" (from {url})" if url else ""
        super().__init__(
            f"The authority {quoted(certificate)} was issued by {quoted(issuer)}, which is missing.",
            fix=f"Add the certificate of {quoted(issuer)}{source} and those above it, up to its root.",
        )


class Expired(UploadError):
    """A certificate is past its end."""

    code = "upload.expired"

    def __init__(self, certificate: str, ended: datetime) -> None:
        super().__init__(
            f"The certificate of {quoted(certificate)} expired at {rfc3339(ended)}.",
            fix="Get a new one from the certificate authority.",
        )


class NotYetValid(UploadError):
    """A certificate is before its beginning."""

    code = "upload.not_yet_valid"

    def __init__(self, certificate: str, begins: datetime, now: datetime) -> None:
        super().__init__(
            f"The certificate of {quoted(certificate)} is not valid before {rfc3339(begins)}; it is {rfc3339(now)} here.",
            fix="Check the clock of the appliance, or upload it from then on.",
        )


class NotForServers(UploadError):
    """The extended key usage has no serverAuth (RFC 5280 section 4.2.1.12)."""

    code = "upload.not_for_servers"

    def __init__(self, certificate: str, usages: Sequence[str]) -> None:
        super().__init__(
            f"The certificate of {quoted(certificate)} is not for servers; its extended key usage is {', '.join(usages)}.",
            fix="Ask the certificate authority for one with serverAuth (TLS web server authentication).",
        )


class NameNotPermitted(UploadError):
    """An authority may not issue for a name (name constraints, RFC 5280 section 4.2.1.10)."""

    code = "upload.name_not_permitted"

    def __init__(self, name: str, authority: str) -> None:
        super().__init__(
            f"The authority {quoted(authority)} may not issue certificates for {quoted(name)} (name constraints); "
            "clients refuse it.",
            fix="Ask for a certificate with names that the authority may issue for, or one of another authority.",
        )


class NoNames(UploadError):
    """There is no name that a client could compare."""

    code = "upload.no_names"

    def __init__(self, certificate: str) -> None:
        super().__init__(
            f"The certificate of {quoted(certificate)} is for no host name and no address.",
            fix="Request one with the names of the service as subject alternative names.",
        )


class TrustUnreadable(UploadError):
    """A file among the known roots can't be used."""

    code = "upload.trust_unreadable"

    def __init__(self, path: str, reason: str, cure: str = "") -> None:
        super().__init__(
            f"A file of trusted roots can't be used: {reason}.",
            where=path,
            fix=cure or "Put certificates in PEM or DER form there, or remove the file.",
        )
