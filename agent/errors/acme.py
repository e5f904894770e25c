"""An ACME CA can't be asked, or it refuses: one class for each thing that an administrator can do about it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Self

from agent.errors.name import quoted
from agent.errors.problem import rfc3339
from agent.errors.source import SourceError

WHERE = "acme"
LONGEST = 300
"""Characters of a CA's words that stand in a sentence; all of them stand in `detail`."""
AGAIN = "then: chainwright renew"
BY_ITSELF = "Nothing is to be done: it goes on by itself then."


class AcmeError(SourceError):
    """An ACME CA (RFC 8555) could not be asked, or refused. `ca` is what people call it."""

    code = "source.acme"

    def at(self, where: str) -> Self:
        """Return the same error, told of another place than the source as a whole."""
        self.problem = replace(self.problem, where=where)
        return self


# It can't be asked


class CaUnreached(AcmeError):
    """No connection, or it broke off. `cause` is a clause in lower case."""

    code = "source.ca_unreachable"

    def __init__(self, ca: str, host: str, cause: str, retry_at: datetime, *, detail: str = "") -> None:
        at = f" at {host}" if host != ca else ""
        super().__init__(
            f"{ca} can't be reached{at}: {said(cause)}.",
            where=WHERE,
            fix="Look at this machine's network, DNS and firewall; it is tried again by itself.",
            retry_at=retry_at,
            detail=detail,
        )


class CaUntrusted(AcmeError):
    """The certificate of the CA's own server does not verify. `file` holds the roots; empty: the system's do."""

    code = "source.ca_untrusted"

    def __init__(self, ca: str, host: str, cause: str, retry_at: datetime, *, file: str = "", detail: str = "") -> None:
        whose = host if host == ca else f"{ca}'s server {host}"
        super().__init__(
            f"The TLS certificate of {whose} does not verify: {said(cause)}.",
            where=WHERE,
            fix=_how_to_trust(cause, file),
            retry_at=retry_at,
            detail=detail,
        )


class TrustFileUnusable(AcmeError):
    """The file with the roots that the CA's own server is trusted by."""

    code = "source.trust_file"

    def __init__(self, file: str, reason: str, retry_at: datetime) -> None:
        super().__init__(
            f"The file {file} with the roots that the CA's own server is trusted by can't be used: {said(reason)}.",
            where=WHERE,
            fix=f"Put the root certificate of the CA's server there as PEM, or correct trust in [acme], {AGAIN}",
            retry_at=retry_at,
        )


class NoDirectory(AcmeError):
    """At the address of the directory stands something else (RFC 8555 section 7.1.1)."""

    code = "source.no_directory"

    def __init__(self, url: str, reason: str, retry_at: datetime) -> None:
        super().__init__(
            f"There is no ACME directory at {url}: {said(reason)}.",
            where=WHERE,
            fix="Correct directory in [acme]: it is the address that the CA calls its directory or ACME URL.",
            retry_at=retry_at,
        )


class CaBusy(AcmeError):
    """It asks everyone to wait: overloaded, or maintained."""

    code = "source.ca_busy"
    counts: ClassVar[bool] = False

    def __init__(self, ca: str, retry_at: datetime, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} has too much to do, or is maintained, and asks to wait until {rfc3339(retry_at)}.",
            where=WHERE,
            fix=BY_ITSELF,
            retry_at=retry_at,
            detail=detail,
        )


class CaFailed(AcmeError):
    """Something is wrong at the CA, or it says what makes no sense."""

    code = "source.ca_failed"

    def __init__(self, ca: str, reason: str, retry_at: datetime, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} has a failure of its own: {said(reason)}.",
            where=WHERE,
            fix="Nothing is wrong here; it is tried again by itself. Its operator's status page may say more.",
            retry_at=retry_at,
            detail=detail,
        )


# It allows no more


class RateLimited(AcmeError):
    """A rate limit of the CA (RFC 8555 section 6.6)."""

    code = "source.rate_limited"
    counts: ClassVar[bool] = False

    def __init__(
        self, ca: str, reason: str, retry_at: datetime, *, failed: Collection[str] = (), detail: str = ""
    ) -> None:
        super().__init__(
            f"{ca} allows no more for now: {said(reason)}.",
            where=WHERE,
            fix=BY_ITSELF,
            retry_at=retry_at,
            detail=detail,
        )
        self.failed = frozenset(failed)


class NamesPaused(AcmeError):
    """The CA takes no orders for names that failed too often; a person has to open its page."""

    code = "source.names_paused"
    counts: ClassVar[bool] = False

    def __init__(self, ca: str, names: Collection[str], url: str, retry_at: datetime, *, detail: str = "") -> None:
        where = url or "the page of its operator"
        super().__init__(
            f"{ca} has paused {listed(names) or 'some of the names'}, because they failed too often.",
            where=WHERE,
            fix=f"See to it that they pass, open {where}, {AGAIN}",
            retry_at=retry_at,
            detail=detail,
        )
        self.failed = frozenset(names)


# It does not accept what is asked for


class ProfileRefused(AcmeError):
    """The CA offers no such profile, or not to this account."""

    code = "source.profile_refused"

    def __init__(self, ca: str, reason: str, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} does not accept the profile: {said(reason)}.",
            where=WHERE,
            fix="Set profile in [acme] to one that it offers, or profile_required = false.",
            detail=detail,
        )


class SigningRequestRefused(AcmeError):
    """The CA does not certify this key, or does not like how it's asked to."""

    code = "source.signing_request_refused"

    def __init__(self, ca: str, reason: str, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} does not accept the signing request: {said(reason)}.",
            where=WHERE,
            fix="Ask for another type of key in the settings of the module, or for other names.",
            detail=detail,
        )


class RevocationRefused(AcmeError):
    """The CA does not revoke this chain, or not for this reason (RFC 8555 section 7.6)."""

    code = "source.revocation_refused"

    def __init__(self, ca: str, reason: str, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} did not revoke the chain: {said(reason)}.",
            where=WHERE,
            fix="Give another reason, or ask the CA's operator to revoke it.",
            detail=detail,
        )


class CaRefused(AcmeError):
    """Any other problem of RFC 8555 section 6.7, or of the CA's own."""

    code = "source.ca_refused"

    def __init__(self, ca: str, kind: str, reason: str, retry_at: datetime, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} refused with {quoted(kind)}: {said(reason)}.",
            where=WHERE,
            fix="It is tried again by itself; if it stays so, ask the CA's operator what it means.",
            retry_at=retry_at,
            detail=detail,
        )


# Words


def said(words: str) -> str:
    """Return a CA's words as the end of a sentence, without its full stop."""
    line = " ".join(words.split())
    shown = line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
    return shown.rstrip(".") or "it gives no reason"


def listed(names: Collection[str]) -> str:
    """Return names for a sentence: all of a few, else the first ones and how many more."""
    ordered = sorted(names)
    more = len(ordered) - 3
    return ", ".join(ordered) if more <= 0 else f"{', '.join(ordered[:3])} and {more} more"


def _how_to_trust(cause: str, file: str) -> str:
    if "expired" in cause or "not yet valid" in cause:
        return f"Set this machine's clock if it is wrong (timedatectl); else the CA must renew it, {AGAIN}"
    if "mismatch" in cause:
        return "Correct directory in [acme]: the certificate is for another host."
    if file:
        return f"Put the root certificate of the CA's server into {file}, {AGAIN}"
    return "Install the system's ca-certificates; for a private CA, let trust in [acme] name a file with its root."
