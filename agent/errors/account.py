"""A CA does not accept the appliance's account, or not yet."""

from __future__ import annotations

from datetime import datetime

from agent.errors.acme import AGAIN, WHERE, AcmeError, said
from agent.errors.name import quoted


class TermsNotAgreed(AcmeError):
    """The CA's terms of service were not agreed to, or a person has to read what is new (RFC 8555 section 7.3.3)."""

    code = "source.terms_not_agreed"

    def __init__(self, ca: str, url: str, *, changed: bool = False, detail: str = "") -> None:
        place = url or "its web site"
        if changed:
            cause = f"The terms of service of {ca} have changed, and it wants a person to agree to them."
            fix = f"Open {place} and follow it, {AGAIN}"
        else:
            cause = f"The terms of service of {ca} are not agreed to: agree_terms is false."
            fix = f"Read {place}, and set agree_terms = true in [acme]."
        super().__init__(cause, where=WHERE, fix=fix, detail=detail)


class ExternalAccountMissing(AcmeError):
    """The CA gives accounts to its own customers only (RFC 8555 section 7.3.4)."""

    code = "source.external_account_missing"

    def __init__(self, ca: str, website: str = "") -> None:
        place = f" ({website})" if website else ""
        super().__init__(
            f"{ca} gives accounts to its own customers only, and the settings name none.",
            where=WHERE,
            fix=f"Get a key identifier and a MAC key there{place}, and put them into [acme.external_account].",
        )


class ExternalAccountRefused(AcmeError):
    """The CA does not know the external account, or its key does not match."""

    code = "source.external_account_refused"

    def __init__(self, ca: str, kid: str, reason: str, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} does not accept the external account {quoted(kid)}: {said(reason)}.",
            where=WHERE,
            fix="Correct kid and hmac_key in [acme.external_account]; they may be too old, then get new ones.",
            detail=detail,
        )


class ContactRefused(AcmeError):
    """The CA does not accept the addresses that it is to write to."""

    code = "source.contact_refused"

    def __init__(self, ca: str, reason: str, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} does not accept contact: {said(reason)}.",
            where=WHERE,
            fix="Correct contact in [acme]: e-mail addresses at which somebody reads.",
            detail=detail,
        )


class AccountKeyRefused(AcmeError):
    """The CA takes no ES256, which RFC 8555 section 6.2 wants it to."""

    code = "source.account_key_refused"

    def __init__(self, ca: str, reason: str, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} does not accept the account key (ECDSA P-256): {said(reason)}.",
            where=WHERE,
            fix="Ask its operator to allow ES256, which every ACME server must, or take another CA.",
            detail=detail,
        )


class AccountRefused(AcmeError):
    """The account may not do this any more: deactivated or revoked, for example."""

    code = "source.account_refused"

    def __init__(self, ca: str, account: str, reason: str, retry_at: datetime, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} refuses the account{f' {account}' if account else ''}: {said(reason)}.",
            where=WHERE,
            fix=f"Ask its operator to allow the account again, {AGAIN}",
            retry_at=retry_at,
            detail=detail,
        )


class RekeyUnfinished(AcmeError):
    """A change of the account key was interrupted: the CA may know the account by the new one already."""

    code = "source.rekey_unfinished"

    def __init__(self, ca: str) -> None:
        super().__init__(
            f"A change of the account key at {ca} was interrupted.",
            where=WHERE,
            fix="Go on with it, then with the orders: chainwright acme rekey",
        )


class AccountUnknown(AcmeError):
    """The CA knows the account no more, even after it was made anew."""

    code = "source.account_unknown"

    def __init__(self, ca: str, account: str, retry_at: datetime, *, detail: str = "") -> None:
        super().__init__(
            f"{ca} does not know the account{f' {account}' if account else ''} any more.",
            where=WHERE,
            fix="The next try makes a new one; CAA records that name its URL (accounturi) need the new one.",
            retry_at=retry_at,
            detail=detail,
        )
