"""Requests to one CA: pooled connections, nonces, signatures; errors that say what came back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from acme.client import ClientNetwork
from josepy.errors import DeserializationError
from josepy.json_util import decode_b64jose
from requests.utils import get_environ_proxies

from agent.sources.acme.failures import CaProblem, CaUnreachable
from agent.sources.acme.nonces import Nonces
from agent.sources.acme.pace import Pace
from agent.sources.acme.response import Response
from agent.sources.acme.retry_after import http_date
from agent.sources.acme.signing import Signer
from agent.sources.acme.trust import TrustingAdapter, trusting
from agent.sources.acme.unreachable import CONNECT_TIMEOUT, READ_TIMEOUT, unreachable
from agent.system.names import is_address

NONCE_TRIES = 8
"""In a row. With 30 % of all nonces rejected, one request of 15000 has to pause; with the library's two, one of eleven fails."""


def user_agent() -> str:
    """Return what the CA's operator sees (RFC 8555 section 6.1)."""
    return f"chainwright/{version('chainwright')} acme/{version('acme')}"


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted: JSON, or nothing (POST-as-GET, RFC 8555 section 6.3), and who signs it."""

    signer: Signer
    payload: bytes


class Network(ClientNetwork):
    """`acme`'s network with a pool of fresh nonces, tries enough, and a pace. Any thread may use it.

    The account and the key are no part of it: they change, and come with each message.
    """

    def __init__(
        self,
        directory: str,
        *,
        trust: Path | None,
        pace: Pace,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(user_agent=user_agent())
        self.pace = pace
        self.skew: timedelta | None = None
        """How far the CA's clock is ahead of ours, by its last answer."""
        self._trust = trust
        self._now = now
        self._monotonic = monotonic
        self._fresh = Nonces(monotonic)
        self._trusting = threading.Lock()
        self.session.trust_env = False  # no passwords of ~/.netrc, no roots of other programs; the proxy is wanted
        self.session.proxies = _proxies(directory)

    def get(self, url: str, content_type: str = "", **options: Any) -> requests.Response:
        """Send a plain GET. Raises `CaProblem` and `CaUnreachable`."""
        return self._check_response(self._send_request("GET", url, **options))

    def post(self, url: str, message: Message, new_nonce_url: str, **options: Any) -> requests.Response:
        """Sign and send a message; a rejected nonce comes with one for the next try. Raises like `get`."""
        for _try in range(NONCE_TRIES - 1):
            try:
                return self._post_once(url, message, new_nonce_url=new_nonce_url, **options)
            except CaProblem as refusal:
                if refusal.problem.type != "badNonce":
                    raise
        return self._post_once(url, message, new_nonce_url=new_nonce_url, **options)

    def answer(self, response: requests.Response) -> Response:
        """Return what is needed of a response."""
        return Response.of(response, self._now())

    def _post_once(  # `obj`: a message takes the place of an object of josepy
        self, url: str, obj: Message, content_type: str = ClientNetwork.JOSE_CONTENT_TYPE, **options: Any
    ) -> requests.Response:
        nonce = self._get_nonce(url, options.pop("new_nonce_url"))
        headers = {"Content-Type": content_type, **options.pop("headers", {})}
        data = obj.signer.sign(obj.payload, url=url, nonce=nonce)
        response = self._send_request("POST", url, data=data, headers=headers, allow_redirects=False, **options)
        if fresh := _nonce_in(response):
            self._fresh.add(fresh)
        return self._check_response(response)

    def _get_nonce(  # type: ignore[override]  # as it is signed, decoded
        self, url: str, new_nonce_url: str
    ) -> bytes:
        if kept := self._fresh.take():
            return kept
        try:
            response = self._check_response(self._send_request("HEAD", new_nonce_url))
        except CaUnreachable as failure:
            failure.sent = False
            raise
        if fetched := _nonce_in(response):
            return fetched
        raise CaUnreachable("it gives no nonce", url=new_nonce_url, status=response.status_code)

    def _send_request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:
        """Unlike the library's, it logs nothing: neither signed messages nor nonces.

        Unlike `Session.request`, it merges no settings of a session into the request: that costs a third of it.
        """
        self._mount(url)
        headers = {"User-Agent": self.user_agent, **options.pop("headers", {})}
        options |= {"timeout": (CONNECT_TIMEOUT, READ_TIMEOUT), "proxies": self.session.proxies}
        began = self._monotonic()
        try:
            request = requests.Request(method, url, headers=headers, data=options.pop("data", None)).prepare()
            response = self.session.send(request, **options)
        except (requests.RequestException, ValueError) as error:  # the library parses where it's redirected to
            raise unreachable(error, url, str(self._trust or "")) from error
        self._learn(response, began)
        return response

    def _check_response(  # type: ignore[override]  # not of the class: a date needs a clock
        self, response: requests.Response, content_type: str | None = None
    ) -> requests.Response:
        self.answer(response).check()
        return response

    def _mount(self, url: str) -> None:
        """Read the roots when the first connection is made. Raises `CaUnreachable`."""
        with self._trusting:
            if not isinstance(self.session.get_adapter("https://"), TrustingAdapter):
                self.session.mount("https://", TrustingAdapter(trusting(self._trust, url)))

    def _learn(self, response: requests.Response, began: float) -> None:
        self.pace.answered(response.status_code, began)
        if there := http_date(response.headers.get("Date")):
            self.skew = there - self._now()
        answer = self.answer(response)
        if answer.busy:
            self.pace.hold(answer.retry_after or 0.0, answer.status, answer.url)


def _proxies(directory: str) -> dict[str, str]:
    """Return the proxies of the environment; a CA on this machine itself is not behind one."""
    host = str(urlsplit(directory).hostname)
    near = host == "localhost" or (is_address(host) and ip_address(host).is_loopback)
    return {} if near else dict(get_environ_proxies(directory))


def _nonce_in(response: requests.Response) -> bytes | None:
    try:
        return decode_b64jose(response.headers.get(ClientNetwork.REPLAY_NONCE_HEADER, "")) or None
    except DeserializationError:
        return None
