"""`AcmeNetwork`: requests to one CA over the `acme` library's network, each of them sent once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from acme.client import ClientNetwork
from josepy.errors import DeserializationError
from josepy.json_util import decode_b64jose

from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.messages import Account
from agent.sources.acme.pace import Pace
from agent.sources.acme.response import failure_of, is_busy, retry_after
from agent.sources.acme.retry_after import http_date
from agent.sources.acme.signing import Signer
from agent.sources.acme.transport import Transport

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

NONCES_KEPT = 64
NONCE_FRESH_FOR = 60.0
"""Seconds. CAs forget nonces; an older one costs less to replace than to have rejected."""


class AcmeNetwork(ClientNetwork):
    """Requests signed by one account key, with its nonces and connections. Any thread may use it; `close` it at the end."""

    account: Account | None  # type: ignore[assignment]
    """The account that requests are signed for; None: none is known yet. The library's has no place for what is remembered."""

    def __init__(
        self,
        directory: str,
        key: PrivateKey,
        *,
        trust: Path | None,
        answer_timeout: float,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`trust`: PEM file with the roots of the CA's own server; None: the system's.

        `answer_timeout`: seconds in which an answer has to be complete.
        """
        signer = Signer.of(key)
        super().__init__(signer.key, alg=signer.algorithm, user_agent=user_agent())
        self.url = directory
        """Of the directory."""
        self.pace = Pace(monotonic)
        """How many requests are under way."""
        self.skew: timedelta | None = None
        """How far the CA's clock was ahead of ours at its last answer; None: there was none."""
        self._transport = Transport(self.session, directory, trust, answer_timeout)
        self._now = now
        self._monotonic = monotonic
        self._fresh_nonces: deque[tuple[bytes, float]] = deque(maxlen=NONCES_KEPT)

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    @property
    def signer(self) -> Signer:
        """Who signs at present. Key and account change only while no request is under way, or under `account_lock`."""
        assert self.key is not None
        return Signer(self.key, self.alg, self.account.url if self.account else None)

    # Overridden, because the library's loses the nonce of a refusal, always signs with its own key and follows redirections.
    def _post_once(  # type: ignore[override]
        self, url: str, content: bytes, *, new_nonce_url: str, signer: Signer, resource: str, accept: str = "*/*"
    ) -> requests.Response:
        data = signer.sign(content, url=url, nonce=self._get_nonce(url, new_nonce_url))
        headers = {"Content-Type": self.JOSE_CONTENT_TYPE, "Accept": accept}
        response = self._send_request("POST", url, data=data, headers=headers)
        self._add_nonce(response)
        return self._check_response(response, resource=resource, account=signer.account or "")

    # Overridden, because the library's fails where an answer brings no nonce.
    def _add_nonce(self, response: requests.Response) -> None:
        if nonce := _nonce_in(response):
            self._fresh_nonces.append((nonce, self._monotonic()))

    # Overridden, because the library's takes any nonce, however old, and fails when several threads take one.
    def _get_nonce(self, url: str, new_nonce_url: str) -> bytes:  # type: ignore[override]
        with suppress(IndexError):
            nonce, at = self._fresh_nonces.pop()
            if self._monotonic() - at <= NONCE_FRESH_FOR:
                return nonce
            self._fresh_nonces.clear()  # the others are older
        try:
            response = self._check_response(self._send_request("HEAD", new_nonce_url))
        except CaUnreachable as failure:
            failure.sent = False
            raise
        if fetched := _nonce_in(response):
            return fetched
        raise CaUnreachable("it gives no nonce", url=new_nonce_url, status=response.status_code)

    # Overridden, because the library's logs signed messages and nonces, reads answers of any size, does not say why none came,
    # and merges the session's settings into each request, which costs a third of it.
    def _send_request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:
        headers = {"User-Agent": self.user_agent, **options.pop("headers", {})}
        began = self._monotonic()
        response = self._transport.send(method, url, headers, options.pop("data", None))
        self._learn(response, began)
        return response

    # Overridden, because the library's error has neither the HTTP status nor Retry-After, and a conflict not even its problem.
    def _check_response(  # type: ignore[override]
        self, response: requests.Response, content_type: str | None = None, *, resource: str = "", account: str = ""
    ) -> requests.Response:
        if response.ok and not response.is_redirect:
            return response
        failure = failure_of(response, self._now())
        if isinstance(failure, CaProblem):
            failure.resource, failure.account = resource, account
        if failure:
            raise failure
        return response

    def _learn(self, response: requests.Response, began: float) -> None:
        now = self._now()
        self.pace.answered(response.status_code, began)
        if there := http_date(response.headers.get("Date")):
            self.skew = there - now
        if is_busy(response, now):
            self.pace.hold(retry_after(response, now) or 0.0, response.status_code, response.url)


def user_agent() -> str:
    """Return what the CA's operator sees (RFC 8555 section 6.1)."""
    return f"chainwright/{version('chainwright')} acme/{version('acme')}"


def _nonce_in(response: requests.Response) -> bytes | None:
    try:
        return decode_b64jose(response.headers.get(ClientNetwork.REPLAY_NONCE_HEADER, "")) or None
    except DeserializationError:
        return None
