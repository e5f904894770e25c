"""`AcmeClient`: RFC 8555's requests, one method each, sent again as `RetryPolicy` says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from acme import messages
from acme.challenges import HTTP01Response
from cryptography import x509
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import encode_b64jose

from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.messages import Authorization, Challenge, Issued, NewOrder, Order, RenewalInfo
from agent.sources.acme.network import AcmeNetwork
from agent.sources.acme.response import (
    check_acknowledged,
    links,
    location,
    quoted,
    read,
    read_directory,
    read_renewal_info,
    retry_after,
    unreadable,
)
from agent.sources.acme.retries import PAUSES, RetryPolicy
from agent.sources.acme.retry_after import http_date, polled
from agent.sources.acme.signing import Signer
from agent.sources.acme.timed_connections import ANSWER_TIMEOUT
from agent.system.names import is_address

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.pki.private_key import PrivateKey

FINALIZE_TRIES = 3
"""How often a signing request is sent when it's not known whether the CA has got it."""
CHAIN_TYPE = "application/pem-certificate-chain"
BEGIN = b"-----BEGIN"
MOST_ALTERNATES = 8
"""Let's Encrypt has had two."""
DIRECTORY_KEPT = timedelta(days=1).total_seconds()
FAILURE_KEPT = 5.0
"""Seconds for which all that wait for the directory share one failure to fetch it."""


def certificate_id(leaf: x509.Certificate) -> str:
    """Return how a CA identifies a certificate in its renewal information (RFC 9773 section 4.1); empty: it can't."""
    try:
        issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        issuer = None
    if issuer is None:
        return ""
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1, "big")  # as in DER: room for a sign
    return f"{encode_b64jose(issuer)}.{encode_b64jose(serial)}"


class AcmeClient(AcmeNetwork):
    """One account key at one CA. Any thread may use it; `close` it at the end.

    Each request is made for a `context`, which waits, and ends it when the agent wants to stop. It raises `CaProblem`,
    `CaUnreachable` and `agent.errors.OrderCancelled`.
    """

    def __init__(
        self,
        directory: str,
        key: PrivateKey,
        *,
        trust: Path | None = None,
        answer_timeout: float = ANSWER_TIMEOUT,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trust`: PEM file with the roots of the CA's own server; None: the system's.

        `answer_timeout`: seconds in which an answer has to be complete.
        """
        super().__init__(directory, key, trust=trust, answer_timeout=answer_timeout, now=now, monotonic=monotonic)
        self._sign_with(self.signer)
        self.account_lock = threading.RLock()
        """Held while the account is found, made or changed."""
        self._directory_lock = threading.Lock()
        self._directory: messages.Directory | None = None
        self._failure: CaUnreachable | CaProblem | None = None
        self._looked_at = 0.0

    # Who asks

    def use(self, context: SourceContext, key: PrivateKey) -> None:
        """Sign with another key, by which the CA knows the account already."""
        with self.pace.alone(lambda: context.cancelled):
            self._sign_with(Signer.of(key))

    def change_key(self, context: SourceContext, new: PrivateKey) -> None:
        """Have the account known by another key (RFC 8555 section 7.3.5), and sign with that from now on."""
        url, new_nonce_url = self.url_of(context, "keyChange"), self.url_of(context, "newNonce")
        before, after = self.signer, Signer.of(new)
        inner = json.dumps({"account": before.account, "oldKey": before.key.public_key().to_json()}).encode()
        signed = after.sign(inner, url=url, nonce=None)
        policy = RetryPolicy(context.wait, resend=0)
        while self.key != after.key:
            with policy, self.pace.alone(lambda: context.cancelled):
                answer = self._post_once(url, signed, new_nonce_url=new_nonce_url, signer=before, resource="keyChange")
                check_acknowledged(answer)
                self._sign_with(after)

    def _sign_with(self, signer: Signer) -> None:
        self.key, self.alg = signer.key, signer.algorithm
        self.thumbprint: str = encode_b64jose(signer.key.thumbprint())
        """Of the key that signs (RFC 7638)."""

    # What is asked

    def directory(self, context: SourceContext) -> messages.Directory:
        """Return the CA's directory, fetched once a day."""
        with self._directory_lock:
            age = self._monotonic() - self._looked_at
            if self._failure and age < FAILURE_KEPT:
                raise self._failure
            if self._directory is None or age > DIRECTORY_KEPT:
                self._directory = self._fetch_directory(context)
            return self._directory

    def _fetch_directory(self, context: SourceContext) -> messages.Directory:
        self._failure = None
        try:
            return read_directory(self.get(context, self.url, "directory"))
        except (CaProblem, CaUnreachable) as failure:
            self._failure = _not_a_directory(failure)
            raise self._failure from failure
        finally:
            self._looked_at = self._monotonic()

    def time(self, context: SourceContext) -> datetime:
        """Return what the CA's clock shows, of a fresh answer. Raises `CaUnreachable` where it doesn't say."""
        there = http_date(self.get(context, self.url, "directory").headers.get("Date"))
        if there is None:
            raise CaUnreachable("its answer has no date", url=self.url)
        return there

    def url_of(self, context: SourceContext, resource: str) -> str:
        """Return the URL of one of the directory's resources. Raises `CaUnreachable`."""
        with suppress(KeyError):
            return str(self.directory(context)[resource])
        raise CaUnreachable(f"its directory names no {resource}", url=self.url)

    def new_order(
        self, context: SourceContext, names: Collection[str], *, profile: str = "", replaces: str = ""
    ) -> Order:
        """Order a certificate (RFC 8555 section 7.4) that takes the place of `replaces` (RFC 9773 section 5)."""
        wanted = NewOrder(identifiers=[_identifier(name) for name in sorted(names)], profile=profile, replaces=replaces)
        answer = self.post(context, self.url_of(context, "newOrder"), wanted, resource="newOrder", resend=1)
        return self._order(answer, location(answer))

    def order(self, context: SourceContext, url: str) -> Order:
        """Return an order as it is now."""
        return self._order(self.post(context, url), url)

    def authorization(self, context: SourceContext, url: str) -> Authorization:
        """Return an authorization as it is now (RFC 8555 section 7.5)."""
        return read(Authorization, self.post(context, url), url=url)

    def answer(self, context: SourceContext, challenge: Challenge) -> Challenge:
        """Tell the CA to look at a challenge (RFC 8555 section 7.5.1); one that it already looks at is returned as it is."""
        try:
            return read(Challenge, self.post(context, challenge.uri, HTTP01Response()))
        except CaProblem:
            current = read(Challenge, self.post(context, challenge.uri))
            if current.status == "pending":
                raise
            return current

    def finalize(self, context: SourceContext, order: Order, csr: x509.CertificateSigningRequest) -> Order:
        """Give the CA the signing request (RFC 8555 section 7.4); an order that isn't ready is returned as it is.

        Raises the refusal `orderNotReady` where the order is called ready all the same.
        """
        for _try in range(FINALIZE_TRIES - 1):
            try:
                return self._finalized(context, order, csr)
            except CaUnreachable as failure:
                if failure.status is not None:
                    raise
            current = self.order(context, order.url)  # did it get the request?
            if current.status != "ready":
                return current
        return self._finalized(context, order, csr)

    def _finalized(self, context: SourceContext, order: Order, csr: x509.CertificateSigningRequest) -> Order:
        try:
            answer = self.post(context, order.finalize, messages.CertificateRequest(csr=csr), resend=0)
        except CaProblem as refusal:
            if refusal.problem.type != "orderNotReady":
                raise
            current = self.order(context, order.url)
            if current.status == "ready":
                raise
            return current
        return self._order(answer, order.url)

    def _order(self, answer: requests.Response, url: str) -> Order:
        return read(Order, answer, url=url, retryAfter=polled(retry_after(answer, self._now())))

    def issued(self, context: SourceContext, url: str, *, resend: int = len(PAUSES)) -> Issued:
        """Download a certificate with one of its chains (RFC 8555 section 7.4.2); of the others some at most are named."""
        answer = self.post(context, url, accept=CHAIN_TYPE, resend=resend)
        if BEGIN not in answer.content:
            raise unreadable(answer, f"its answer is not the chain in PEM form that it should be{quoted(answer)}")
        return Issued(answer.content.decode("ascii", "replace"), links(answer, "alternate")[:MOST_ALTERNATES])

    def revoke(
        self, context: SourceContext, leaf: x509.Certificate, reason: int, key: PrivateKey | None = None
    ) -> None:
        """Revoke a certificate (RFC 8555 section 7.6), for the account or with the certificate's own `key`.

        `reason` is a CRLReason's number (RFC 5280 section 5.3.1). One that is revoked already is a success.
        """
        url, revocation = self.url_of(context, "revokeCert"), messages.Revocation(certificate=leaf, reason=reason)
        try:
            self.tell(context, url, revocation, resource="revokeCert", signer=Signer.of(key) if key else None)
        except CaProblem as refusal:
            if refusal.problem.type != "alreadyRevoked":
                raise

    def renewal_info(self, context: SourceContext, certificate_id: str) -> RenewalInfo | None:
        """Ask when a certificate is to be renewed (RFC 9773 section 4.1); None: this CA doesn't say."""
        directory = self.directory(context)
        if not offers_renewal_info(directory) or not certificate_id:
            return None
        answer = self.get(context, f"{directory['renewalInfo'].rstrip('/')}/{certificate_id}", "renewalInfo")
        return read_renewal_info(answer, self._now())

    # How it is asked

    # Overridden, because the library's does not try again and knows no pace.
    def get(  # type: ignore[override]
        self, context: SourceContext, url: str, resource: str = ""
    ) -> requests.Response:
        """Read what anybody may; `resource` is its name in the directory."""
        policy = RetryPolicy(context.wait)
        while True:
            with policy, self.pace.slot(lambda: context.cancelled):
                return self._check_response(self._send_request("GET", url), resource=resource)

    def tell(
        self,
        context: SourceContext,
        url: str,
        message: JSONDeSerializable,
        *,
        resource: str = "",
        signer: Signer | None = None,
    ) -> None:
        """Post a message to which nothing is answered that has to be read. Arguments are those of `post`."""
        check_acknowledged(self.post(context, url, message, resource=resource, signer=signer))

    # Overridden, because the library's tries again once, after a rejected nonce only, and sends an empty object as none.
    def post(
        self,
        context: SourceContext,
        url: str,
        message: JSONDeSerializable | None = None,
        *,
        resource: str = "",
        signer: Signer | None = None,
        resend: int = len(PAUSES),
        accept: str = "*/*",
    ) -> requests.Response:
        """Post a message; None reads (POST-as-GET, RFC 8555 section 6.3).

        `resource` is its name in the directory, `signer` who signs it in the place of the account, `resend` how often it may
        be sent again where no answer came.
        """
        content = b"" if message is None else message.json_dumps().encode()
        new_nonce_url, policy = self.url_of(context, "newNonce"), RetryPolicy(context.wait, resend=resend)
        while True:
            with policy, self.pace.slot(lambda: context.cancelled):
                return self._post_once(
                    url,
                    content,
                    new_nonce_url=new_nonce_url,
                    signer=signer or self.signer,  # now, since the key may have changed while it waited
                    resource=resource,
                    accept=accept,
                )


def offers_renewal_info(directory: messages.Directory) -> bool:
    """Whether the CA says when to renew (RFC 9773)."""
    return "renewalInfo" in directory.to_partial_json()


def _identifier(name: str) -> messages.Identifier:
    kind = messages.IDENTIFIER_IP if is_address(name) else messages.IDENTIFIER_FQDN
    return messages.Identifier(typ=kind, value=name)


def _not_a_directory(failure: CaProblem | CaUnreachable) -> CaProblem | CaUnreachable:
    """Return the failure to fetch a directory; a web page or an error 404 there means that its address is wrong."""
    status = failure.problem.status if isinstance(failure, CaProblem) else failure.status
    if status is None or status >= 500 or status == 429:
        return failure
    cause = failure.cause if isinstance(failure, CaUnreachable) else _refusal(failure)
    return CaUnreachable(cause, url=failure.url, trouble=Trouble.NO_DIRECTORY, status=status)


def _refusal(failure: CaProblem) -> str:
    words = f': "{failure.problem.detail}"' if failure.problem.detail else ""
    return f"it answers with HTTP status {failure.problem.status}{words}"
