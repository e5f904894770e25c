"""Why what an administrator uploads is not taken. No message ever holds key material or a passphrase."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.errors.base import AgentError

ANY_USAGE = "anyExtendedKeyUsage"
SEPARATELY = "Upload them separately, each with its own private key and the certificates of its issuers."
BY_NAME = (
    "Say for which name it is meant (--for NAME; on the page: only for this domain). "
    f"{SEPARATELY.replace('Upload', 'Or upload')}"
)


class UploadError(AgentError):
    """What was uploaded is refused; nothing is stored."""

    code = "upload"


class NothingGiven(UploadError):
    """No file and no text, or nothing in them."""

    code = "upload.nothing_given"
    cause = "Nothing was given: there is no file and no text."
    fix = "Give the certificate, its private key and the certificates of its issuers, as PEM, DER, PKCS#7 or PKCS#12."


class TooLarge(UploadError):
    """More bytes than any chain has."""

    code = "upload.too_large"
    cause = "The upload has {size} bytes, and {limit} are allowed."
    fix = "Give only the certificate, its private key and the certificates of its issuers."
    size: int
    limit: int


class TooManyKeys(UploadError):
    """More private keys than anyone gives by mistake."""

    code = "upload.too_many_keys"
    cause = "The upload holds more than {limit} private keys."
    fix = "Give only the one that the certificate was requested with."
    limit: int


class TooManyCertificates(UploadError):
    """More certificates than any chain has."""

    code = "upload.too_many_certificates"
    cause = "The upload holds more than {limit} certificates."
    fix = "Give only those that lead from the certificate to its root, not a whole collection of roots."
    limit: int


class NotACertificate(UploadError):
    """Something else was chosen."""

    code = "upload.not_a_certificate"
    cause = "This is neither a certificate nor a private key; it looks like {looks_like}."
    where: str
    looks_like: str
    fix: str


class BrokenBlock(UploadError):
    """A PEM block is not whole (RFC 7468)."""

    code = "upload.broken_block"
    cause = "Block {number} ({label:quoted}) is broken: {reason}."
    fix = "Copy it again as a whole, from its BEGIN line to its END line."
    where: str
    number: int
    label: str
    reason: str


class Damaged(UploadError):
    """It is of a kind that is known, and can't be read."""

    code = "upload.damaged"
    cause = "This is {what}, but it can't be read: {reason}."
    fix = "Get it again from where it comes from; binary files must be copied unchanged."
    where: str
    what: str
    reason: str
    detail: str = ""


class OddCertificate(UploadError):
    """A certificate that clients refuse, or that they may read in another way than its issuer meant."""

    code = "upload.odd_certificate"
    cause = "The certificate of {certificate:quoted} is not well-formed: {reason}."
    fix = "Ask the certificate authority for a correct one."
    certificate: str
    reason: str


class PassphraseMissing(UploadError):
    """A private key or a PKCS#12 file is encrypted, and nobody said with what."""

    code = "upload.passphrase_missing"
    cause = "{what} is protected by a passphrase, and none was given."
    fix = "Enter its passphrase (--passphrase-file FILE), or decrypt it: {command}"
    where: str
    what: str = "The private key"
    command: str = "openssl pkey -in FILE -out plain.pem"


class CipherUnsupported(UploadError):
    """OpenSSL has no such cipher here."""

    code = "upload.cipher_unsupported"
    cause = "It is encrypted with {cipher}, which can't be decrypted here."
    fix = (
        "Encrypt it with AES instead, with a program that knows that cipher: "
        "openssl pkey -provider default -provider legacy -in FILE -aes256 -out new.pem"
    )
    where: str
    cipher: str


class PassphraseWrong(UploadError):
    """The passphrase does not open it."""

    code = "upload.passphrase_wrong"
    cause = "The passphrase does not open it."
    fix = "Enter the passphrase that it was encrypted with; mind capital letters and the keyboard's layout."
    where: str


class TooCostly(UploadError):
    """Opening or checking it takes more than an inspection may take."""

    code = "upload.too_costly"
    cause = "It takes more than {limit} to open and to check, and was given up."
    fix = (
        "Write it again with usual parameters: openssl pkey -in FILE -out plain.pem, "
        "or for PKCS#12: openssl pkcs12 -in FILE -nodes -out plain.pem"
    )
    where: str
    limit: str


class InspectionFailed(UploadError):
    """The process of the inspection ended without a result."""

    code = "upload.inspection_failed"
    cause = "The upload could not be inspected: {reason}."
    fix = "Upload key and certificates as unencrypted PEM; if that fails too, report it with this message."
    where: str
    reason: str


class KeyMissing(UploadError):
    """Certificates without their private key."""

    code = "upload.key_missing"
    cause = "There is no private key in what was given ({given:semicolons})."
    fix = 'Add it: a block "BEGIN PRIVATE KEY" in the file, or the .key file too.'
    given: Sequence[str]


class CertificateMissing(UploadError):
    """A private key without a certificate."""

    code = "upload.certificate_missing"
    cause = "There is no certificate in what was given ({given:semicolons})."
    fix = "Add the certificate that was issued for this key, and those of its issuers."
    given: Sequence[str]


class PairMismatch(UploadError):
    """The private key belongs to another certificate."""

    code = "upload.pair_mismatch"
    cause = (
        "Key and certificate do not match: the SHA-256 of the public key begins with {of_certificate} in the "
        "certificate of {certificate:quoted}, and with {of_key} for the private key."
    )
    fix = "Give the key that the certificate was requested with. Was a new request made later?"
    certificate: str
    of_certificate: str
    of_key: str


class NoKeyFits(UploadError):
    """Several private keys, and none is the certificate's."""

    code = "upload.no_key_fits"
    cause = "Not one of the {places:count} private keys ({places}) belongs to {certificate:quoted}."
    fix = "Give the one key that the certificate was requested with."
    places: Sequence[str]
    certificate: str


class StrayKey(UploadError):
    """One private key fits, and there is one more."""

    code = "upload.stray_key"
    cause = "There is a private key that belongs to no certificate ({stray}), beside that of {certificate:quoted} ({fitting})."
    fix = "Leave out the key in {stray}, or upload it with its own certificate."
    stray: str
    certificate: str
    fitting: str


class TwoChains(UploadError):
    """Several services' certificates at once."""

    code = "upload.two_chains"
    cause = "There are {certificates:count} certificates with their private keys: {certificates:quoted}."
    certificates: Sequence[str]
    fix: str = BY_NAME


class TwoCertificates(UploadError):
    """One key, and certificates for different names."""

    code = "upload.two_certificates"
    cause = "The private key belongs to {certificates:count} certificates for different names: {certificates:quoted}."
    certificates: Sequence[str]
    fix: str = BY_NAME


class ChainIncomplete(UploadError):
    """An issuer is neither there nor known."""

    code = "upload.incomplete"
    cause = (
        "The chain is incomplete: {certificate:quoted} was issued by {issuer:quoted}, "
        "which is neither among what was given nor among the known roots."
    )
    fix = (
        "Add the certificate of {issuer:quoted}{url:? (from %)}; "
        "the root of a private authority may also be in /etc/chainwright/trust/."
    )
    certificate: str
    issuer: str
    url: str = ""


class ParentsMissing(UploadError):
    """A subordinate authority without those above it."""

    code = "upload.parents_missing"
    cause = "The authority {certificate:quoted} was issued by {issuer:quoted}, which is missing."
    fix = "Add the certificate of {issuer:quoted}{url:? (from %)} and those above it, up to its root."
    certificate: str
    issuer: str
    url: str = ""


class Expired(UploadError):
    """A certificate is past its end."""

    code = "upload.expired"
    cause = "The certificate of {certificate:quoted} expired at {ended:time}."
    fix = "Get a new one from the certificate authority."
    certificate: str
    ended: datetime


class NotYetValid(UploadError):
    """A certificate is before its beginning."""

    code = "upload.not_yet_valid"
    cause = "The certificate of {certificate:quoted} is not valid before {begins:time}; it is {now:time} here."
    fix = "Check the clock of the appliance, or upload it from then on."
    certificate: str
    begins: datetime
    now: datetime


class NotForServers(UploadError):
    """The extended key usage has no serverAuth (RFC 5280 section 4.2.1.12). `authority`: whether it issues certificates."""

    code = "upload.not_for_servers"
    cause = (
        "The certificate of {certificate:quoted} is not for servers; its extended key usage is "
        "{usages}{any:?, and clients want serverAuth itself}."
    )
    fix = (
        "{issuer:?Use an authority whose extended key usage, if there is one, names serverAuth (TLS web server authentication)."
        " or Ask the certificate authority for one with serverAuth (TLS web server authentication).}"
    )
    certificate: str
    usages: Sequence[str]
    authority: bool = False

    @property
    def any(self) -> str:
        """The usage that stands for every other one."""
        return ANY_USAGE if ANY_USAGE in self.usages else ""

    @property
    def issuer(self) -> str:
        """Title of the certificate of an authority."""
        return self.certificate if self.authority else ""


class NameNotPermitted(UploadError):
    """An authority may not issue for a name (RFC 5280 section 4.2.1.10). `limits`: what its name constraints say."""

    code = "upload.name_not_permitted"
    cause = (
        "The authority {authority:quoted} may not issue certificates for {name:quoted} (name constraints); "
        "clients refuse it."
    )
    fix = (
        "Ask for a certificate with names that the authority may issue for{limits:? (%)}, or one of another authority."
    )
    name: str
    authority: str
    limits: str = ""


class NoNames(UploadError):
    """There is no name that a client could compare."""

    code = "upload.no_names"
    cause = "The certificate of {certificate:quoted} is for no host name and no address."
    fix = "Request one with the names of the service as subject alternative names."
    certificate: str


class TrustUnreadable(UploadError):
    """A file among the known roots can't be used."""

    code = "upload.trust_unreadable"
    cause = "A file of trusted roots can't be used: {reason}."
    where: str
    reason: str
    fix: str = "Put certificates in PEM or DER form there, or remove the file."
