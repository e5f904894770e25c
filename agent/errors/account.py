"""A CA does not accept the appliance's account, or not yet."""

from __future__ import annotations

from datetime import datetime

from agent.errors.acme import AGAIN, AcmeError
from agent.errors.source import Elsewhere

USUAL_ALGORITHM = "ES256"
"""By which the account keys sign that are made here."""


class TermsNotAgreed(AcmeError):
    """The CA's terms of service were not agreed to, or a person has to read what is new (RFC 8555 section 7.3.3)."""

    code = "source.terms_not_agreed"
    cause = "The terms of service of {ca} {state}."
    fix = "{cure}"
    ca: str
    url: str
    changed: bool = False
    detail: str = ""

    @property
    def elsewhere(self) -> Elsewhere:  # type: ignore[override]  # of this one, not of its kind
        """Until a person has read what a CA has changed, another one may be asked; what the settings say is meant."""
        return Elsewhere.AT_ONCE if self.changed else Elsewhere.NEVER

    @property
    def state(self) -> str:
        """What is wrong with the agreement."""
        return (
            "have changed, and it wants a person to agree to them"
            if self.changed
            else "are not agreed to: agree_terms is false"
        )

    @property
    def cure(self) -> str:
        """Where to agree."""
        place = self.url or "its web site"
        if self.changed:
            return f"Open {place} and follow it, {AGAIN}"
        return f"Read {place}, and set agree_terms = true in [acme]."


class ExternalAccountMissing(AcmeError):
    """The CA gives accounts to its own customers only (RFC 8555 section 7.3.4)."""

    code = "source.external_account_missing"
    cause = "{ca} gives accounts to its own customers only, and the settings name none."
    fix = "Get a key identifier and a MAC key there{website:? (%)}, and put them into [acme.external_account]."
    ca: str
    website: str = ""


class ExternalAccountRefused(AcmeError):
    """The CA does not know the external account, or its key does not match."""

    code = "source.external_account_refused"
    cause = "{ca} does not accept the external account {kid:quoted}: {reason:said}."
    fix = "Correct kid, hmac_key and algorithm in [acme.external_account]; they may be too old, then get new ones."
    ca: str
    kid: str
    reason: str
    detail: str = ""


class ContactRefused(AcmeError):
    """The CA does not accept the addresses that it is to write to."""

    code = "source.contact_refused"
    cause = "{ca} does not accept contact: {reason:said}."
    fix = "Correct contact in [acme]: e-mail addresses at which somebody reads."
    ca: str
    reason: str
    detail: str = ""


class AccountKeyRefused(AcmeError):
    """The CA does not take the algorithm by which the account key signs, or the key itself."""

    code = "source.account_key_refused"
    cause = "{ca} does not accept the account key, which signs by {algorithm}: {reason:said}."
    fix = "{cure}"
    ca: str
    algorithm: str
    """As JWS calls it (RFC 7518 section 3.1). That of an imported account may be any that the CA took then."""
    reason: str
    detail: str = ""

    @property
    def cure(self) -> str:
        """What may have it accepted: ES256 is what every ACME server must take (RFC 8555 section 6.2)."""
        if self.algorithm != USUAL_ALGORITHM:
            return (
                f"Make one that signs by {USUAL_ALGORITHM}, which every ACME server must take: chainwright acme rekey"
            )
        return f"Ask its operator to allow {USUAL_ALGORITHM}, which every ACME server must take, or take another CA."


class AccountRefused(AcmeError):
    """The account may not do this any more: deactivated or revoked, for example."""

    code = "source.account_refused"
    elsewhere = Elsewhere.LASTING
    cause = "{ca} refuses the account{account:? %}: {reason:said}."
    fix = f"Make another account: chainwright acme rekey; or ask its operator to allow this one again, {AGAIN}"
    ca: str
    account: str
    reason: str
    retry_at: datetime
    detail: str = ""


class RekeyUnfinished(AcmeError):
    """A change of the account key has not reached a CA, or it is not known whether it has.

    It was interrupted, or made while the settings named another CA.
    """

    code = "source.rekey_unfinished"
    cause = "A change of the account key is not finished at {ca}."
    fix = "Finish it, and go on with the orders: chainwright acme rekey"
    ca: str


class AccountUnknown(AcmeError):
    """The CA no longer knows the account, even after a new one was made."""

    code = "source.account_unknown"
    elsewhere = Elsewhere.LASTING
    cause = "{ca} does not know the account{account:? %} any more."
    fix = "The next try makes a new one; CAA records that name its URL (accounturi) need the new one."
    ca: str
    account: str
    retry_at: datetime
    detail: str = ""
