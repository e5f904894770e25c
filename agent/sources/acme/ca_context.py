"""What the appliance has at one CA: shared by all orders, inquiries and revocations of a process."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from agent.errors.acme import (
    WHERE,
    AcmeError,
    CaBusy,
    CaFailed,
    CaRefused,
    CaUnreached,
    RateLimited,
    RevocationRefused,
    RevocationUndone,
)
from agent.pki.account_key import thumbprint
from agent.sources.acme.account import Accounts, AccountWish
from agent.sources.acme.client import AcmeClient
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.http01 import Answers
from agent.sources.acme.limits import Limits, scope_of
from agent.sources.acme.order_locks import OrderLocks
from agent.sources.acme.problems import translate
from agent.sources.acme.renewal_inquiry import inquire
from agent.sources.acme.takeover import confirm
from agent.sources.acme.tls_alpn01 import AlpnAnswers
from agent.system.addresses import own_addresses
from agent.system.names import is_address
from agent.system.paths import RUN

if TYPE_CHECKING:
    from datetime import datetime

    from agent.contract.source import SourceContext, Watch
    from agent.pki.chain import Chain
    from agent.sources.acme.messages import Account, RenewalInfo
    from agent.sources.acme.preflight import Findings, Preflight
    from agent.sources.acme.source import AcmeSource


REASONS = {
    "unspecified": 0,
    "keyCompromise": 1,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "privilegeWithdrawn": 9,
}
"""CRLReason -> number (RFC 5280 section 5.3.1): those that are about a certificate that isn't a CA's, and for good."""

NOT_OURS = frozenset({"unauthorized", "accountDoesNotExist"})
"""What CAs answer to a revocation for an account that has not ordered the chain, or is over."""


def ca_context_of(source: AcmeSource, context: SourceContext) -> CaContext:
    """Return the one of this process and these settings."""
    ca = context.shared(lambda: CaContext(source, context))
    ca.follow(context)
    return ca


class CaContext:
    """Any thread may use it; `close` it at the end."""

    def __init__(self, source: AcmeSource, context: SourceContext) -> None:
        self._source = source
        trust = context.rooted(source.trust) if source.trust else None
        self.client = AcmeClient(source.directory_url, context.account_key(), trust=trust, now=context.now)
        self.answers = self._answers_with(context)
        self._former: list[Answers] = []
        self.alpn = AlpnAnswers(context.rooted(f"/{RUN}"), context.now, port=source.tls_port)
        rules = source.limits.rules(source.directory_url)
        self.limits = Limits(context.ledger, context.memory, rules, source.directory_url, source.ca)
        self.order_locks = OrderLocks()
        external = source.external_account
        self._wish = AccountWish(
            contact=source.contact,
            agree_terms=source.agree_terms,
            external_account=(external.kid, external.hmac_key.reveal(), external.algorithm) if external else None,
            ca=source.ca,
        )

    def follow(self, context: SourceContext) -> None:
        """Use the present account key, which an administrator may have replaced since this was made."""
        if context.http01.thumbprint == self.client.thumbprint:
            return
        key = context.account_key()
        if thumbprint(key) != context.http01.thumbprint:
            return  # this context is from before the change
        with self.client.account_lock:
            self.client.use(context, key)
            self.client.account = None
            self._former.append(self.answers)  # orders may still be looked at with the former key
            self.answers = self._answers_with(context)

    def close(self) -> None:
        """Stop listening, and close the connections."""
        for each in (*self._former, self.answers):
            each.close()
        self.alpn.close()
        self.client.close()

    def _answers_with(self, context: SourceContext) -> Answers:
        return Answers(context.http01, port=self._source.http_port, targets=self.addresses_of)

    def addresses_of(self, name: str) -> Sequence[str]:
        """Return where the CA may connect to for a name; nothing where the settings want no look at the DNS."""
        if is_address(name):
            return (name,)
        return self.preflight.addresses_of(name, private_ca=self._source.private) if self._source.preflight else ()

    @cached_property
    def preflight(self) -> Preflight:
        """What is looked at before the CA is asked; its DNS takes long to import, and may be switched off."""
        from agent.sources.acme.preflight import Preflight

        resolvers = [(each.host, each.port) for each in self._source.resolvers]
        return Preflight(resolvers, http_port=self._source.http_port)

    def examine(
        self,
        names: Collection[str],
        methods: Callable[[str], Sequence[str]],
        account: Account | None,
        context: SourceContext,
    ) -> Findings:
        """Look at what an order for `names` would meet, each by one of its `methods`.

        The CA is asked for nothing but its directory.
        """
        directory = self.client.directory(context)
        return self.preflight.examine(
            sorted(names),
            identities=directory.meta.caa_identities or (),
            account_url=account.url if account else "",
            addresses=own_addresses(),
            skew=self.client.skew,
            now=context.now(),
            private_ca=self._source.private,
            methods=methods,
            cancelled=lambda: context.cancelled,
        )

    def account(self, context: SourceContext) -> Account:
        """Return the account, found or made where it's not remembered. Raises like `Accounts.ensure`."""
        return Accounts(context, self.limits).ensure(self.client, self._wish)

    def why_no_account(self, context: SourceContext) -> AcmeError | None:
        """Return why none can be made, as far as the CA's directory says. Raises `CaProblem` and `CaUnreachable`."""
        return Accounts(context).why_none(self.client, self._wish)

    def recovered(self, error: CaProblem, context: SourceContext) -> bool:
        """Whether the CA refused the account itself, and accepts it now. Raises like `Accounts.ensure`."""
        return Accounts(context).recover(error, self.client, self._wish)

    def inquire(self, chain: Chain, watch: Watch | None, context: SourceContext) -> Watch:
        """Ask when a chain is to be renewed, and for an account that was imported. Raises `RenewalInfoUnknown`."""

        def ask(certificate_id: str) -> RenewalInfo | None:
            return self.client.renewal_info(context, certificate_id)

        found = inquire(ask, chain, watch, context.now(), random.SystemRandom())
        confirm(self.client, context)
        return found

    def revoke(self, chain: Chain, reason: str, context: SourceContext) -> None:
        """Have a chain revoked: for the account, or with its own key where another account has ordered it or there is none.

        Raises `AcmeError`.
        """
        if reason not in REASONS:
            raise RevocationRefused(self._source.ca, f"{reason} is none of {', '.join(REASONS)}")
        try:
            if not self._revoked_for_the_account(chain, reason, context):
                self.client.revoke(context, chain.leaf, REASONS[reason], chain.key)
        except (CaProblem, CaUnreachable) as error:
            found = self.translated(error, frozenset(chain.names), context.now())
            raise _of_a_person(found) from error

    def _revoked_for_the_account(self, chain: Chain, reason: str, context: SourceContext) -> bool:
        try:
            self.account(context)
            self.client.revoke(context, chain.leaf, REASONS[reason])
        except CaProblem as error:
            if error.problem.type not in NOT_OURS:
                raise
            return False
        except AcmeError:  # no account can be had as the settings are; the key of the chain needs none
            return False
        return True

    def translated(
        self,
        error: CaProblem | CaUnreachable,
        names: frozenset[str],
        now: datetime,
        *,
        attempts: int = 0,
        passed: frozenset[str] = frozenset(),
    ) -> AcmeError:
        """Return for people what the CA said, or that it said nothing; what it limits is remembered."""
        account, external = self.client.account, self._source.external_account
        found = translate(
            error,
            where=WHERE,
            names=names,
            attempts=attempts,
            now=now,
            ca=self._source.ca,
            passed=passed,
            account=account.url if account else "",
            external_account=external.kid if external else "",
            algorithm=self.client.signer.algorithm.name,
        )
        if isinstance(found, RateLimited) and isinstance(error, CaProblem) and found.retry_at:
            self.limits.block(scope_of(error.problem, names), found.retry_at, now)
        return found


def _of_a_person(found: AcmeError) -> AcmeError:
    """Return why a revocation failed: what is said of orders, that they go on by themselves, is not so here."""
    if isinstance(found, CaUnreached | CaBusy | CaFailed | CaRefused | RateLimited):
        return RevocationUndone(found.problem.cause, found.problem.detail)
    return found
