"""The appliance's account at a CA (RFC 8555 section 7.3): found, made, changed, and remembered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from acme.messages import STATUS_DEACTIVATED, ExternalAccountBinding, NewRegistration, Registration, UpdateRegistration

from agent.errors.account import ExternalAccountMissing, RekeyUnfinished, TermsNotAgreed
from agent.errors.wording import said
from agent.pki.account_key import thumbprint
from agent.sources.acme.failures import CaProblem
from agent.sources.acme.messages import Account, ProblemDocument, account_from, account_json, texts
from agent.sources.acme.response import location, read
from agent.sources.acme.signing import Signer
from agent.sources.acme.steps import OrderStep
from agent.sources.acme.values import account_entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from agent.contract.source import SourceContext
    from agent.errors.acme import AcmeError
    from agent.pki.private_key import PrivateKey
    from agent.sources.acme.client import AcmeClient
    from agent.sources.acme.limits import Limits

ExternalAccount = tuple[str, str, str]
"""Key identifier, MAC key in base64url, and its algorithm: ``HS256``."""
UNKNOWN = "accountDoesNotExist"
NO_SEARCH = frozenset({UNKNOWN, "malformed", "externalAccountRequired"})
"""What CAs answer that know no account by this key, or no way to look for one."""
OVER = frozenset({UNKNOWN, "unauthorized"})
"""What CAs answer for an account that is deactivated already."""
CONTACT = frozenset({"invalidContact", "unsupportedContact", "invalidEmail"})


@dataclass(frozen=True, slots=True)
class AccountWish:
    """What the settings say of the account."""

    agree_terms: bool
    contact: tuple[str, ...] = ()
    """E-mail addresses, or URIs."""
    external_account: ExternalAccount | None = None
    ca: str = ""
    """What people call the CA."""

    @property
    def contact_uris(self) -> tuple[str, ...]:
        """Contact as the CA is told it."""
        return tuple(address if ":" in address else f"mailto:{address}" for address in self.contact)


class Accounts:
    """The accounts of this appliance, one a directory, as the source remembers them."""

    def __init__(self, context: SourceContext, limits: Limits | None = None) -> None:
        """`limits`: those of the CA, which a new account is counted for."""
        self._context = context
        self._limits = limits

    def ensure(self, client: AcmeClient, wish: AccountWish) -> Account:
        """Let `client` have its account and return it. One that is remembered costs no request.

        Raises `CaProblem`, `CaUnreachable`, `TermsNotAgreed`, `ExternalAccountMissing` and `LimitError`.
        """
        with client.account_lock:
            state = self._context.memory.read(account_entry(client.url))
            account = _remembered(state, client)
            if _is_between_keys(state, client):
                raise RekeyUnfinished(wish.ca or client.url)
            if account is None:
                if self._limits:
                    self._limits.check_account(self._context.now())
                account = self._found(client) or self._registered(client, wish)
                self._remember(account)
            client.account = account
            return self._with_contact(client, account, wish, asked=state.get("asked"))

    def recover(self, error: CaProblem, client: AcmeClient, wish: AccountWish) -> bool:
        """Do what can be done when the CA refuses the account itself; whether it's worth to ask once more.

        An account that it doesn't know any more is made again; terms that have changed are agreed to, where the settings
        do. Raises like `ensure`.
        """
        if error.problem.type == UNKNOWN:
            self._make_again(client, error.account, wish)
            return True
        return error.problem.type == "userActionRequired" and wish.agree_terms and self._agreed(client)

    def remembered(self, client: AcmeClient) -> Account | None:
        """Return the account of the client's key, as it's remembered; None: it isn't."""
        return _remembered(self._context.memory.read(account_entry(client.url)), client)

    def deactivate(self, client: AcmeClient) -> None:
        """Give the account up for good (RFC 8555 section 7.3.6). Raises `CaProblem` and `CaUnreachable`."""
        with client.account_lock:
            account = client.account or self.remembered(client)
            if account is not None:
                client.account = account
                self._give_up(client, account)
            self._context.memory.write(account_entry(client.url), {})
            client.account = None

    def rollover(self, client: AcmeClient, new: PrivateKey) -> bool:
        """Have the account known by `new` (RFC 8555 section 7.3.5); `client` signs with it afterwards.

        To be called again after a crash, with the same keys: it's known by one of both then. The caller keeps both until
        this returns. False: the CA refuses the account itself, or knows it by a key that is lost, so it is forgotten, and the
        next order makes another one.
        Raises `CaProblem` and `CaUnreachable`.
        """
        with client.account_lock:
            account = client.account or self.remembered(client) or self._confirmed(client)
            if account is None:
                return not self._forgets_one_out_of_reach(client, new)
            if account.thumbprint == thumbprint(new):
                return True
            client.account = account
            begun = self._context.memory.read(account_entry(client.url)).get("rollover") == thumbprint(new)
            self._remember(account, rollover=thumbprint(new))
            if begun and self._known_by(client, new) == account.url:
                client.use(self._context, new)
            elif not self._has_changed_key(client, account, new):
                return False
            client.account = replace(account, thumbprint=thumbprint(new))
            self._remember(client.account)
            return True

    def _confirmed(self, client: AcmeClient) -> Account | None:
        """Return an account that was imported while its CA could not be asked; None: there is none, or the CA refuses it."""
        if self._context.memory.read(account_entry(client.url)).get("thumbprint") != client.thumbprint:
            return None
        try:
            return self._found(client)
        except CaProblem as refusal:
            if refusal.problem.type not in OVER:
                raise
            return None

    def _forgets_one_out_of_reach(self, client: AcmeClient, new: PrivateKey) -> bool:
        """Forget an account that is known by neither of the keys, or not at all, and return whether there was one."""
        entry = account_entry(client.url)
        if self._context.memory.read(entry).get("thumbprint") in {None, thumbprint(new)}:
            return False
        self._context.memory.write(entry, {})
        return True

    def _has_changed_key(self, client: AcmeClient, account: Account, new: PrivateKey) -> bool:
        """Ask for the change; False: the account is over, and forgotten."""
        try:
            client.change_key(self._context, new)
        except CaProblem as refusal:
            if refusal.problem.type in OVER and not self._is_still_good(client):
                self._context.memory.write(account_entry(client.url), {})
                client.use(self._context, new)
                client.account = None
                return False
            if refusal.problem.status < 500:
                self._remember(account)  # nothing has begun
            raise
        return True

    def _is_still_good(self, client: AcmeClient) -> bool:
        """Whether the CA accepts the account that it knows by the client's key."""
        try:
            return self._found(client) is not None
        except CaProblem as refusal:
            if refusal.problem.type not in OVER:
                raise
            return False

    # Finding and making

    def _new_account(self, client: AcmeClient, wanted: Registration, signer: Signer | None = None) -> requests.Response:
        """Ask for an account, signed by a key of which the CA need not know an account."""
        url, by_key = client.url_of(self._context, "newAccount"), replace(signer or client.signer, account=None)
        return client.post(self._context, url, wanted, resource="newAccount", signer=by_key)

    def _found(self, client: AcmeClient) -> Account | None:
        """Return the account that the CA knows by the client's key; None: it knows none."""
        account = self.look_up(client)
        if account is not None:
            self._context.progress(OrderStep.ACCOUNT, f"the account {account.url} is found by its key")
        return account

    def look_up(self, client: AcmeClient) -> Account | None:
        """Return what the CA knows by the client's key (RFC 8555 section 7.3.1); None: nothing. Nothing is kept of it.

        Raises `CaProblem`, also where the account is not valid, and `CaUnreachable`.
        """
        try:
            answer = self._new_account(client, Registration(only_return_existing=True))
        except CaProblem as refusal:
            if refusal.problem.type not in NO_SEARCH:
                raise
            return None
        account = _account_of(answer, client)
        if account.status != "valid":
            problem = ProblemDocument("unauthorized", f"the account is {account.status}", status=403)
            raise CaProblem(problem, url=account.url, resource="newAccount")
        return account

    def _known_by(self, client: AcmeClient, key: PrivateKey) -> str:
        """Return the URL of the account that the CA knows by a key; empty: none."""
        try:
            return location(self._new_account(client, Registration(only_return_existing=True), Signer.of(key)))
        except CaProblem as refusal:
            if refusal.problem.type not in NO_SEARCH:
                raise
            return ""

    def why_none(self, client: AcmeClient, wish: AccountWish) -> AcmeError | None:
        """Return why no account can be made, as far as the CA's directory says. Raises `CaProblem` and `CaUnreachable`."""
        meta = client.directory(self._context).meta
        if meta.terms_of_service and not wish.agree_terms:
            return TermsNotAgreed(wish.ca or client.url, meta.terms_of_service)
        if meta.external_account_required and not wish.external_account:
            return ExternalAccountMissing(wish.ca or client.url, meta.website or "")
        return None

    def _registered(self, client: AcmeClient, wish: AccountWish) -> Account:
        """Make an account. Nothing need be remembered before: after a crash it's found by its key."""
        meta = client.directory(self._context).meta
        if error := self.why_none(client, wish):
            raise error
        account = _account_of(self._asked_with_contact(client, wish), client)
        kid = wish.external_account[0] if wish.external_account else ""
        self._context.progress(OrderStep.ACCOUNT, f"the account {account.url} is made")
        if self._limits:
            self._limits.note_account()
        terms = meta.terms_of_service or ""
        return replace(account, terms=terms, external_account=kid, created_at=self._context.now())

    def _asked_with_contact(self, client: AcmeClient, wish: AccountWish) -> requests.Response:
        """Ask for an account; once without the addresses if the CA doesn't like them, rather than not at all."""
        wanted: dict[str, Any] = {"terms_of_service_agreed": wish.agree_terms}
        if wish.external_account:
            wanted["external_account_binding"] = self._binding(client, *wish.external_account)
        if not wish.contact:
            return self._new_account(client, NewRegistration(**wanted))
        try:
            return self._new_account(client, NewRegistration(contact=wish.contact_uris, **wanted))
        except CaProblem as refusal:
            if refusal.problem.type not in CONTACT:
                raise
            answer = self._new_account(client, NewRegistration(**wanted))
            self._report_contact(refusal)
            return answer

    def _binding(self, client: AcmeClient, kid: str, mac_key: str, algorithm: str) -> dict[str, Any]:
        """Return the external account binding (RFC 8555 section 7.3.4)."""
        public, directory = client.signer.key.public_key(), client.directory(self._context)
        return ExternalAccountBinding.from_data(public, kid, mac_key, directory, algorithm)

    # Changing

    def _with_contact(
        self, client: AcmeClient, account: Account, wish: AccountWish, *, asked: list[str] | None
    ) -> Account:
        """Return the account as the CA knows it once it has the addresses of the settings, of which it had `asked`."""
        wanted = wish.contact_uris
        if asked == list(wanted):
            return account
        if set(account.contact) != set(wanted):
            try:
                client.tell(self._context, account.url, UpdateRegistration(contact=wanted))
                account = replace(account, contact=wanted)
            except CaProblem as refusal:
                if refusal.problem.type not in CONTACT:
                    raise
                self._report_contact(refusal)
        client.account = account
        self._remember(account, asked=list(wanted))
        return account

    def _give_up(self, client: AcmeClient, account: Account) -> None:
        try:
            client.tell(self._context, account.url, UpdateRegistration(status=STATUS_DEACTIVATED))
        except CaProblem as refusal:
            if refusal.problem.type not in OVER:
                raise

    def _report_contact(self, refusal: CaProblem) -> None:
        self._context.progress(OrderStep.ACCOUNT, f"the CA does not accept contact: {said(refusal.problem.detail)}")

    def _make_again(self, client: AcmeClient, forgotten: str, wish: AccountWish) -> None:
        """Make the account again, unless another order that was refused as well has done so meanwhile.

        Requests of others go on with the account that is gone: without one, they would be signed as from nobody.
        """
        with client.account_lock:
            before = client.account
            if before and forgotten not in ("", before.url):
                return
            self._context.memory.write(account_entry(client.url), {})
            account = self.ensure(client, wish)
        if before and before.url != account.url:
            self._context.progress(
                OrderStep.ACCOUNT,
                f"the CA no longer knew the account; CAA records with accounturi need the new one: {account.url}",
            )

    def _agreed(self, client: AcmeClient) -> bool:
        with client.account_lock:
            if client.account is None:
                return False
            try:
                client.tell(self._context, client.account.url, UpdateRegistration(terms_of_service_agreed=True))
            except CaProblem:
                return False
            terms = client.directory(self._context).meta.terms_of_service or ""
            client.account = replace(client.account, terms=terms)
            self._remember(client.account)
            return True

    # Remembering

    def _remember(self, account: Account, **more: Any) -> None:
        """Write an account down with what is not the CA's: ``asked``, the contact of the settings; ``rollover``, a thumbprint."""
        entry = account_entry(account.directory)
        asked = {key: value for key, value in self._context.memory.read(entry).items() if key == "asked"}
        self._context.memory.write(entry, {**account_json(account), **asked, **more})


def _remembered(state: Mapping[str, Any], client: AcmeClient) -> Account | None:
    account = account_from(state) if state else None
    return account if account and account.thumbprint == client.thumbprint and account.status == "valid" else None


def _is_between_keys(state: Mapping[str, Any], client: AcmeClient) -> bool:
    """Whether a change of key has begun and not ended: it goes on with the new key, or not at all."""
    known = {state.get("thumbprint"), state.get("rollover")} - {None, client.thumbprint}
    return bool(known) and state.get("status") == "valid"


def _account_of(answer: requests.Response, client: AcmeClient) -> Account:
    found = read(Registration, answer)
    return Account(
        client.url, location(answer), client.thumbprint, texts(found.contact), status=found.status or "valid"
    )
