"""`AcmeClient`: RFC 8555's requests, one method each."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from copy import copy
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agent.sources.acme.connection import Connection, Patience, utc_now
from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.pace import Pace
from agent.sources.acme.parsing import authorization_of, challenge_of, issued_of, order_of, renewal_info_of
from agent.sources.acme.resources import Account, Authorization, Challenge, Directory, Issued, Order, RenewalInfo
from agent.sources.acme.response import Response
from agent.sources.acme.retries import PAUSES
from agent.sources.acme.signing import Signer
from agent.system.names import is_address

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.pki.key import PrivateKey

__all__ = ["AcmeClient", "CaProblem", "CaUnreachable", "certificate_id"]

FINALIZE_TRIES = 3
"""How often a signing request is sent when it's not known whether the CA has got it."""
CHAIN_TYPE = "application/pem-certificate-chain"


def certificate_id(leaf: x509.Certificate) -> str:
    """Return how a CA identifies a certificate in its renewal information (RFC 9773 section 4.1); empty: it can't."""
    try:
        issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        issuer = None
    if issuer is None:
        return ""
    serial = leaf.serial_number.to_bytes(leaf.serial_number.bit_length() // 8 + 1, "big")  # as in DER: room for a sign
    return f"{_encoded(issuer)}.{_encoded(serial)}"


class AcmeClient:
    """One account key at one CA. Any thread may use it; `close` it at the end.

    Each request raises `CaProblem`, `CaUnreachable`, and `agent.errors.OrderCancelled` when the agent wants to stop.
    """

    def __init__(
        self,
        directory: str,
        key: PrivateKey,
        *,
        trust: Path | None = None,
        now: Callable[[], datetime] = utc_now,
        wait: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`trust`: PEM file with the roots of the CA's own server; None: the system's."""
        self._connection = Connection(directory, key, trust=trust, now=now, monotonic=monotonic)
        self._patience = Patience(wait)

    def serving(self, context: SourceContext) -> AcmeClient:
        """Return the same client for who asks from this office: he waits there, and stops when it's cancelled."""
        view = copy(self)
        view._patience = Patience(context.wait, lambda: context.cancelled)
        return view

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    @property
    def url(self) -> str:
        """URL of the directory."""
        return self._connection.url

    @property
    def skew(self) -> timedelta | None:
        """How far the CA's clock was ahead of ours at its last answer; None: there was none."""
        return self._connection.network.skew

    @property
    def pace(self) -> Pace:
        """How many requests are under way."""
        return self._connection.pace

    # Who asks

    @property
    def account(self) -> Account | None:
        """The account that requests are signed for; None: none is known yet."""
        return self._connection.account

    @account.setter
    def account(self, account: Account | None) -> None:
        self._connection.account = account

    @property
    def account_lock(self) -> AbstractContextManager[object]:
        """Held while the account is found, made or changed."""
        return self._connection.account_lock

    @property
    def signer(self) -> Signer:
        """Who signs at present."""
        return self._connection.signer

    @property
    def thumbprint(self) -> str:
        """Of the key that signs."""
        return self._connection.thumbprint

    def use(self, key: PrivateKey) -> None:
        """Sign with another key, by which the CA knows the account already."""
        self._connection.use(key, self._patience)

    # What is asked

    def directory(self) -> Directory:
        """Return the CA's directory, fetched once a day."""
        return self._connection.directory(self._patience)

    def new_order(self, names: Collection[str], *, profile: str = "", replaces: str = "") -> Order:
        """Order a certificate (RFC 8555 section 7.4) that takes the place of `replaces` (RFC 9773 section 5)."""
        identifiers = [{"type": "ip" if is_address(name) else "dns", "value": name} for name in sorted(names)]
        wishes = {"profile": profile, "replaces": replaces}
        payload = {"identifiers": identifiers, **{key: value for key, value in wishes.items() if value}}
        return order_of(self.post("newOrder", payload, resend=1))

    def order(self, url: str) -> Order:
        """Return an order as it is now."""
        return order_of(self.send(url, None), url)

    def authorization(self, url: str) -> Authorization:
        """Return an authorization as it is now (RFC 8555 section 7.5)."""
        return authorization_of(self.send(url, None), url)

    def answer(self, challenge: Challenge) -> Challenge:
        """Tell the CA to look at a challenge (RFC 8555 section 7.5.1); one that it already looks at is returned as it is."""
        try:
            return challenge_of(self.send(challenge.url, {}))
        except CaProblem:
            current = challenge_of(self.send(challenge.url, None))
            if current.status == "pending":
                raise
            return current

    def finalize(self, order: Order, csr_der: bytes) -> Order:
        """Give the CA the signing request (RFC 8555 section 7.4); an order that isn't ready is returned as it is."""
        for _try in range(FINALIZE_TRIES - 1):
            try:
                return self._finalized(order, csr_der)
            except CaUnreachable as failure:
                if failure.status is not None:
                    raise
            current = self.order(order.url)  # did it get the request?
            if current.status != "ready":
                return current
        return self._finalized(order, csr_der)

    def _finalized(self, order: Order, csr_der: bytes) -> Order:
        try:
            return order_of(self.send(order.finalize, {"csr": _encoded(csr_der)}, resend=0), order.url)
        except CaProblem as refusal:
            if refusal.problem.type != "orderNotReady":
                raise
            return self.order(order.url)

    def issued(self, url: str) -> Issued:
        """Download a certificate with the default chain (RFC 8555 section 7.4.2)."""
        return issued_of(self.send(url, None, accept=CHAIN_TYPE))

    def alternate(self, url: str) -> str:
        """Download the same certificate with another chain, as PEM."""
        return self.issued(url).pem

    def revoke(self, leaf: x509.Certificate, reason: int, key: PrivateKey | None = None) -> None:
        """Revoke a certificate (RFC 8555 section 7.6), for the account or with the certificate's own `key`.

        `reason` is a CRLReason's number (RFC 5280 section 5.3.1). One that is revoked already is a success.
        """
        payload = {"certificate": _encoded(leaf.public_bytes(Encoding.DER)), "reason": reason}
        try:
            self.post("revokeCert", payload, signer=Signer.of(key) if key else None)
        except CaProblem as refusal:
            if refusal.problem.type != "alreadyRevoked":
                raise

    def renewal_info(self, certificate_id: str) -> RenewalInfo | None:
        """Ask when a certificate is to be renewed (RFC 9773 section 4.1); None: this CA doesn't say."""
        url = self.directory().urls.get("renewalInfo")
        if not url or not certificate_id:
            return None
        address = f"{url.rstrip('/')}/{certificate_id}"
        return renewal_info_of(self._connection.get(address, self._patience, resource="renewalInfo"))

    def change_key(self, new: PrivateKey) -> None:
        """Have the account known by another key (RFC 8555 section 7.3.5), and sign with that from now on."""
        self._connection.change_key(new, self._patience)

    # How it is asked

    def post(
        self,
        resource: str,
        payload: Mapping[str, Any],
        *,
        signer: Signer | None = None,
        resend: int = len(PAUSES),
    ) -> Response:
        """Post to one of the directory's resources, as `signer` or for the account."""
        url = self._connection.url_of(resource, self._patience)
        return self.send(url, payload, resource=resource, signer=signer, resend=resend)

    def send(
        self,
        url: str,
        payload: Mapping[str, Any] | None,
        *,
        resource: str = "",
        signer: Signer | None = None,
        resend: int = len(PAUSES),
        accept: str = "*/*",
    ) -> Response:
        """Post `payload`; None: read (POST-as-GET). `resend`: how often where no answer came."""
        return self._connection.post(
            url,
            payload,
            self._patience,
            resource=resource,
            resend=resend,
            signer=lambda: signer or self._connection.signer,
            accept=accept,
        )


def _encoded(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
