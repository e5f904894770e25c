"""The appliance's account at a CA (RFC 8555 section 7.3): found, made, changed, and remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from acme.messages import Directory as LibraryDirectory
from acme.messages import ExternalAccountBinding

from agent.errors.account import ExternalAccountMissing, RekeyUnfinished, TermsNotAgreed
from agent.errors.wording import said
from agent.pki.account_key import thumbprint
from agent.sources.acme.client import AcmeClient, CaProblem
from agent.sources.acme.parsing import account_of
from agent.sources.acme.resources import Account, ProblemDocument, account_from, account_json
from agent.sources.acme.response import Response
from agent.sources.acme.signing import Signer
from agent.sources.acme.steps import OrderStep

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.pki.key import PrivateKey

ExternalAccount = tuple[str, str, str]
"""Key identifier, MAC key in base64url, and its algorithm: ``HS256``."""
UNKNOWN = "accountDoesNotExist"
NO_SEARCH = frozenset({UNKNOWN, "malformed", "externalAccountRequired"})
"""What CAs answer that know no account by this key, or no way to look for one."""
OVER = frozenset({UNKNOWN, "unauthorized"})
"""What CAs answer for an account that is deactivated already."""
CONTACT = frozenset({"invalidContact", "unsupportedContact", "invalidEmail"})


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the settings say of the account."""

    contact: tuple[str, ...]
    agree_terms: bool
    external_account: ExternalAccount | None
    ca: str


class Accounts:
    """The accounts of this appliance, one a directory, as the source remembers them."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context

    def ensure(
        self,
        client: AcmeClient,
        *,
        contact: Collection[str] = (),
        agree_terms: bool,
        external_account: ExternalAccount | None = None,
        ca: str = "",
    ) -> Account:
        """Let `client` have its account and return it. One that is remembered costs no request.

        `contact` are e-mail addresses, `ca` is what people call the CA. Raises `CaProblem`, `CaUnreachable`,
        `TermsNotAgreed` and `ExternalAccountMissing`.
        """
        wish = _Wish(tuple(map(_as_uri, contact)), agree_terms, external_account, ca or client.url)
        with client.account_lock:
            account = self.remembered(client)
            if self._is_between_keys(client):
                raise RekeyUnfinished(wish.ca)
            if account is None:
                account = self._found(client) or self._registered(client, wish)
                self._remember(account)
            client.account = account
            return self._with_contact(client, account, wish)

    def recover(
        self,
        error: CaProblem,
        client: AcmeClient,
        *,
        contact: Collection[str] = (),
        agree_terms: bool,
        external_account: ExternalAccount | None = None,
        ca: str = "",
    ) -> bool:
        """Do what can be done when the CA refuses the account itself; whether it's worth to ask once more.

        An account that it doesn't know any more is made again; terms that have changed are agreed to, where the settings
        do. Raises like `ensure`.
        """
        if error.problem.type == UNKNOWN:
            self._anew(
                client, error.account, contact, agree_terms=agree_terms, external_account=external_account, ca=ca
            )
            return True
        return error.problem.type == "userActionRequired" and agree_terms and self._agreed(client)

    def remembered(self, client: AcmeClient) -> Account | None:
        """Return the account of the client's key, as it's remembered; None: it isn't."""
        state = self._context.memory.read(_entry(client.url))
        if not state:
            return None
        account = account_from(state)
        return account if account.thumbprint == client.thumbprint and account.status == "valid" else None

    def _is_between_keys(self, client: AcmeClient) -> bool:
        """Whether a change of key was begun that whoever began it has not ended: it goes on with the new key, or not at all."""
        state = self._context.memory.read(_entry(client.url))
        known = {state.get("thumbprint"), state.get("rollover")} - {None, client.thumbprint}
        return bool(known) and state.get("status") == "valid"

    def deactivate(self, client: AcmeClient) -> None:
        """Give the account up for ever (RFC 8555 section 7.3.6). Raises `CaProblem` and `CaUnreachable`."""
        with client.account_lock:
            account = client.account or self.remembered(client)
            if account is not None:
                client.account = account
                self._given_up(client, account)
            self._context.memory.write(_entry(client.url), {})
            client.account = None

    def rollover(self, client: AcmeClient, new: PrivateKey) -> None:
        """Have the account known by `new` (RFC 8555 section 7.3.5); `client` signs with it afterwards.

        To be called again after a crash, with the same keys: it's known by one of both then. Whoever calls keeps both
        until this returns. Raises `CaProblem` and `CaUnreachable`.
        """
        with client.account_lock:
            account = client.account or self.remembered(client)
            if account is None or account.thumbprint == thumbprint(new):
                return
            client.account = account
            begun = self._context.memory.read(_entry(client.url)).get("rollover") == thumbprint(new)
            self._remember(account, rollover=thumbprint(new))
            if begun and self._known_by(client, new) == account.url:
                client.use(new)
            else:
                client.change_key(new)
            client.account = replace(account, thumbprint=thumbprint(new))
            self._remember(client.account)

    # Finding and making

    def _found(self, client: AcmeClient) -> Account | None:
        """Return the account that the CA knows by the client's key; None: it knows none."""
        try:
            answer = client.post("newAccount", {"onlyReturnExisting": True}, signer=client.signer.known_as(""))
        except CaProblem as refusal:
            if refusal.problem.type not in NO_SEARCH:
                raise
            return None
        account = account_of(answer, directory=client.url, thumbprint=client.thumbprint)
        if account.status != "valid":
            said = ProblemDocument("unauthorized", f"the account is {account.status}", status=403)
            raise CaProblem(said, url=account.url, resource="newAccount")
        self._context.progress(OrderStep.ACCOUNT, f"the account {account.url} is found by its key")
        return account

    def _known_by(self, client: AcmeClient, key: PrivateKey) -> str:
        """Return the URL of the account that the CA knows by a key; empty: none."""
        try:
            return client.post("newAccount", {"onlyReturnExisting": True}, signer=Signer.of(key)).location
        except CaProblem as refusal:
            if refusal.problem.type not in NO_SEARCH:
                raise
            return ""

    def _registered(self, client: AcmeClient, wish: _Wish) -> Account:
        """Make an account. Nothing need be remembered before: after a crash it's found by its key."""
        directory = client.directory()
        if directory.terms and not wish.agree_terms:
            raise TermsNotAgreed(wish.ca, directory.terms)
        if directory.external_account_required and not wish.external_account:
            raise ExternalAccountMissing(wish.ca, directory.website)
        answer = self._asked_with_contact(client, wish)
        account = account_of(answer, directory=client.url, thumbprint=client.thumbprint)
        kid = wish.external_account[0] if wish.external_account else ""
        self._context.progress(OrderStep.ACCOUNT, f"the account {account.url} is made")
        return replace(account, terms=directory.terms, external_account=kid, created_at=self._context.now())

    def _asked_with_contact(self, client: AcmeClient, wish: _Wish) -> Response:
        """Ask for an account; once without the addresses if the CA doesn't like them, rather than not at all."""
        try:
            return self._asked(client, wish, wish.contact)
        except CaProblem as refusal:
            if refusal.problem.type not in CONTACT or not wish.contact:
                raise
            answer = self._asked(client, wish, ())
            self._told_of_contact(refusal)
            return answer

    def _asked(self, client: AcmeClient, wish: _Wish, contact: tuple[str, ...]) -> Response:
        payload: dict[str, Any] = {"termsOfServiceAgreed": wish.agree_terms}
        if contact:
            payload["contact"] = list(contact)
        if wish.external_account:
            payload["externalAccountBinding"] = _binding(client, *wish.external_account)
        return client.post("newAccount", payload, signer=client.signer.known_as(""))

    # Changing

    def _with_contact(self, client: AcmeClient, account: Account, wish: _Wish) -> Account:
        """Return the account as the CA knows it once it has the addresses of the settings."""
        asked = self._context.memory.read(_entry(client.url)).get("asked")
        if asked == list(wish.contact):
            return account
        if set(account.contact) != set(wish.contact):
            try:
                client.send(account.url, {"contact": list(wish.contact)})
                account = replace(account, contact=wish.contact)
            except CaProblem as refusal:
                if refusal.problem.type not in CONTACT:
                    raise
                self._told_of_contact(refusal)
        client.account = account
        self._remember(account, asked=list(wish.contact))
        return account

    def _given_up(self, client: AcmeClient, account: Account) -> None:
        try:
            client.send(account.url, {"status": "deactivated"})
        except CaProblem as refusal:
            if refusal.problem.type not in OVER:
                raise

    def _told_of_contact(self, refusal: CaProblem) -> None:
        self._context.progress(OrderStep.ACCOUNT, f"the CA does not accept contact: {said(refusal.problem.detail)}")

    def _anew(self, client: AcmeClient, forgotten: str, contact: Collection[str], **wish: Any) -> None:
        """Make the account again, unless another order that was refused as well has done so meanwhile.

        Requests of others go on with the account that is gone: without one, they would be signed as from nobody.
        """
        with client.account_lock:
            before = client.account
            if before and forgotten not in ("", before.url):
                return
            self._context.memory.write(_entry(client.url), {})
            account = self.ensure(client, contact=contact, **wish)
        if before and before.url != account.url:
            self._context.progress(
                OrderStep.ACCOUNT,
                f"the CA knew the account no more; CAA records with accounturi need the new one: {account.url}",
            )

    def _agreed(self, client: AcmeClient) -> bool:
        with client.account_lock:
            if client.account is None:
                return False
            try:
                client.send(client.account.url, {"termsOfServiceAgreed": True})
            except CaProblem:
                return False
            client.account = replace(client.account, terms=client.directory().terms)
            self._remember(client.account)
            return True

    # Remembering

    def _remember(self, account: Account, **more: Any) -> None:
        """Write an account down with what is not the CA's: ``asked``, the contact of the settings; ``rollover``, a thumbprint."""
        entry = _entry(account.directory)
        asked = {key: value for key, value in self._context.memory.read(entry).items() if key == "asked"}
        self._context.memory.write(entry, {**account_json(account), **asked, **more})


def _entry(directory: str) -> str:
    return f"account {directory}"


def _as_uri(address: str) -> str:
    return address if ":" in address else f"mailto:{address}"


def _binding(client: AcmeClient, kid: str, mac_key: str, algorithm: str) -> Mapping[str, Any]:
    """Return the external account binding (RFC 8555 section 7.3.4)."""
    directory = LibraryDirectory(dict(client.directory().urls))
    binding: Mapping[str, Any] = ExternalAccountBinding.from_data(
        client.signer.key.public_key(), kid, mac_key, directory, algorithm
    )
    return binding
