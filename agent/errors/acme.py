"""An ACME CA can't be asked, or it refuses: one class for each thing that an administrator can do about it."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from agent.errors.source import Elsewhere, SourceError
from agent.errors.wording import said

WHERE = "acme"
AGAIN = "then: chainwright renew"
BY_ITSELF = "There is nothing to do: it goes on by itself then."
PROFILE = "Set profile in [acme] to one that it offers, or profile_required = false."


class AcmeError(SourceError):
    """An ACME CA (RFC 8555) could not be asked, or refused. `ca` is what people call it."""

    code = "source.acme"
    where = WHERE

    def at(self, where: str) -> Self:
        """Return the same error, told of another place than the source as a whole."""
        self.where = where
        return self


# It can't be asked


class CaUnreached(AcmeError):
    """No connection, or it broke off. `reason` is a clause in lower case."""

    code = "source.ca_unreachable"
    elsewhere = Elsewhere.LASTING
    cause = "{name} can't be reached{place:? at %}: {reason:said}."
    fix = "Look at this machine's network, DNS and firewall; it is tried again by itself."
    ca: str
    host: str
    reason: str
    retry_at: datetime
    detail: str = ""
    port: int = 443

    @property
    def name(self) -> str:
        """What people call the CA; with its port, where it is called like its host and has another one than is usual."""
        return self._server if self.host == self.ca else self.ca

    @property
    def place(self) -> str:
        """Host and port of the CA, unless the CA is called like it."""
        return "" if self.host == self.ca else self._server

    @property
    def _server(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and self.port != 443 else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


class CaUntrusted(AcmeError):
    """The certificate of the CA's own server does not verify. `file` holds the roots; empty: the system's do."""

    code = "source.ca_untrusted"
    elsewhere = Elsewhere.LASTING
    cause = "The TLS certificate of {server} does not verify: {reason:said}."
    fix = "{cure}"
    ca: str
    host: str
    reason: str
    retry_at: datetime
    file: str = ""
    detail: str = ""

    @property
    def server(self) -> str:
        """The CA's server, in words."""
        return self.host if self.host == self.ca else f"{self.ca}'s server {self.host}"

    @property
    def cure(self) -> str:
        """What to do, by the words of the TLS library."""
        if "expired" in self.reason or "not yet valid" in self.reason:
            return f"Set this machine's clock if it is wrong (timedatectl); else the CA must renew it, {AGAIN}"
        if "mismatch" in self.reason:
            return "Correct directory in [acme]: the certificate is for another host."
        if self.file:
            return f"Put the root certificate of the CA's server into {self.file}, {AGAIN}"
        return "Install the system's ca-certificates; for a private CA, let trust in [acme] name a file with its root."


class TrustFileUnusable(AcmeError):
    """The file with the roots that the CA's own server is trusted by."""

    code = "source.trust_file"
    cause = "The file {file} with the roots that the CA's own server is trusted by can't be used: {reason:said}."
    fix = f"Put the root certificate of the CA's server there as PEM, or correct trust in [acme], {AGAIN}"
    file: str
    reason: str
    retry_at: datetime | None = None


class NoDirectory(AcmeError):
    """The address of the directory leads to something else (RFC 8555 section 7.1.1)."""

    code = "source.no_directory"
    elsewhere = Elsewhere.LASTING
    cause = "There is no ACME directory at {url}: {reason:said}."
    fix = "Correct directory in [acme]: it is the address that the CA calls its directory or ACME URL."
    url: str
    reason: str
    retry_at: datetime


class CaBusy(AcmeError):
    """It asks everyone to wait: overloaded, or maintained. `reason` is what it says of it; empty: nothing."""

    code = "source.ca_busy"
    elsewhere = Elsewhere.LASTING
    counts = False
    cause = "{ca} is overloaded, or in maintenance, and asks to wait until {retry_at:time}{words:? (%)}."
    fix = BY_ITSELF
    ca: str
    retry_at: datetime
    reason: str = ""
    detail: str = ""

    @property
    def words(self) -> str:
        """What the CA says, as a part of the sentence."""
        return said(self.reason) if self.reason else ""


class CaFailed(AcmeError):
    """Something is wrong at the CA, or it says what makes no sense."""

    code = "source.ca_failed"
    elsewhere = Elsewhere.LASTING
    cause = "{ca} has a failure of its own: {reason:said}."
    fix = "Nothing is wrong here; it is tried again by itself. Its operator's status page may say more."
    ca: str
    reason: str
    retry_at: datetime
    detail: str = ""


# It allows no more


class RateLimited(AcmeError):
    """A rate limit of the CA (RFC 8555 section 6.6)."""

    code = "source.rate_limited"
    elsewhere = Elsewhere.AT_ONCE
    counts = False
    cause = "{ca} allows no more for now: {reason:said}."
    fix = BY_ITSELF
    ca: str
    reason: str
    retry_at: datetime
    failed: frozenset[str] = frozenset()
    detail: str = ""


class NamesPaused(AcmeError):
    """The CA takes no orders for names that failed too often; a person has to open its page."""

    code = "source.names_paused"
    elsewhere = Elsewhere.AT_ONCE
    counts = False
    cause = "{ca} has paused {failed:sorted few or some of the names}, because they failed too often."
    fix = f"See to it that they pass, open {{url: or the page of its operator}}, {AGAIN}"
    ca: str
    failed: frozenset[str]
    url: str
    retry_at: datetime
    detail: str = ""


# It does not accept what is asked for


class ProfileRefused(AcmeError):
    """The CA offers no such profile, or not to this account."""

    code = "source.profile_refused"
    cause = "{ca} does not accept the profile: {reason:said}."
    fix = PROFILE
    ca: str
    reason: str
    detail: str = ""


class SigningRequestRefused(AcmeError):
    """The CA does not certify this key, or does not like how it's asked to."""

    code = "source.signing_request_refused"
    cause = "{ca} does not accept the signing request: {reason:said}."
    fix = "Ask for another type of key in the settings of the module, or for other names."
    ca: str
    reason: str
    detail: str = ""


class RevocationRefused(AcmeError):
    """The CA does not revoke this chain, or not for this reason (RFC 8555 section 7.6)."""

    code = "source.revocation_refused"
    cause = "{ca} did not revoke the chain: {reason:said}."
    fix = "Give another reason, or ask the CA's operator to revoke it."
    ca: str
    reason: str
    detail: str = ""


class RevocationUndone(AcmeError):
    """The CA could not be asked to revoke a chain. `reason` is the sentence why; nothing tries it again."""

    code = "source.revocation_undone"
    cause = "The chain is not revoked: {reason:said}."
    fix = "Nothing has changed; revoke it once more when that is over."
    reason: str
    detail: str = ""


class CaRefused(AcmeError):
    """Any other problem of RFC 8555 section 6.7, or of the CA's own."""

    code = "source.ca_refused"
    elsewhere = Elsewhere.LASTING
    cause = "{ca} refused with {kind:quoted}: {reason:said}."
    fix = "It is tried again by itself; if it stays so, ask the CA's operator what it means."
    ca: str
    kind: str
    reason: str
    retry_at: datetime
    detail: str = ""
