"""What goes over the wire to a CA and comes back: redirections, addresses, and answers of a bounded size."""

from __future__ import annotations

import threading
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies

from agent.sources.acme.failures import CaUnreachable, Trouble
from agent.sources.acme.timed_connections import ANSWER_TIMEOUT
from agent.sources.acme.trust import TrustingAdapter, trusting
from agent.sources.acme.unreachable import CONNECT_TIMEOUT, READ_TIMEOUT, unreachable
from agent.system.names import is_address
from agent.system.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LONGEST_ANSWER = 1_000_000
"""Bytes. An order for a hundred names or a chain with ten intermediates takes a fiftieth of it."""
MOST_REDIRECTS = 4
LONGEST_ADDRESS = 200
"""Characters of an address of the CA's that are shown."""


class Transport:
    """The connections to one CA. Any thread may use it."""

    def __init__(
        self, session: requests.Session, directory: str, trust: Path | None, answer_timeout: float = ANSWER_TIMEOUT
    ) -> None:
        """`directory` is its URL; `trust`: PEM file with the roots of the CA's own server; None: the system's.

        `answer_timeout`: seconds in which an answer has to be complete.
        """
        self._session = session
        self._directory = directory
        self._trust = trust
        self._answer_timeout = answer_timeout
        self._lock = threading.Lock()
        # No passwords of ~/.netrc, no roots of other programs; the proxy is wanted.
        session.trust_env = False
        session.proxies = _proxies(directory)

    def send(self, method: str, url: str, headers: Mapping[str, str], data: bytes | str | None) -> requests.Response:
        """Send a request, and return its answer with the whole body. Raises `CaUnreachable`.

        Only a GET and a HEAD are redirected: what is signed is signed for one URL (RFC 8555 section 6.4).
        """
        self._mount(url)
        asked = url
        for _hop in range(MOST_REDIRECTS + 1):
            response = self._sent(method, url, headers, data)
            target = response.headers.get("Location") if response.is_redirect and method != "POST" else None
            if target is None:
                return response
            url = _joined(url, target)
        raise CaUnreachable(
            f"it redirects more than {MOST_REDIRECTS} times, at last to {_shown(url)}",
            url=asked,
            status=response.status_code,
        )

    def _sent(self, method: str, url: str, headers: Mapping[str, str], data: bytes | str | None) -> requests.Response:
        self._check_scheme(url)
        try:
            request = _prepared(method, url, headers, data)
            # The session's own send reads the whole body of a redirection, whether it follows it or not.
            response = self._session.get_adapter(url).send(
                request, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), proxies=self._session.proxies
            )
            return _read(response)
        except (requests.RequestException, ValueError) as error:
            raise unreachable(error, url, str(self._trust or "")) from error

    def _check_scheme(self, url: str) -> None:
        """Let nothing be read without TLS that a CA with TLS has led to (RFC 8555 section 6.1)."""
        allowed = ("https",) if self._directory.startswith("https:") else ("http", "https")
        if _scheme(url) not in allowed:
            cause = f"it leads to {_shown(url)}, which is no {' or '.join(allowed)} address"
            raise CaUnreachable(cause, url=self._directory)

    def _mount(self, url: str) -> None:
        """Read the roots when the first connection is made. Raises `CaUnreachable`."""
        with self._lock:
            if not isinstance(self._session.get_adapter("https://"), TrustingAdapter):
                adapter = TrustingAdapter(trusting(self._trust, url), self._answer_timeout)
                for scheme in ("https://", "http://"):
                    self._session.mount(scheme, adapter)


def _prepared(method: str, url: str, headers: Mapping[str, str], data: bytes | str | None) -> requests.PreparedRequest:
    """Return a request as the library prepares it, but for what a CA never asks for: cookies, passwords and hooks."""
    request = requests.PreparedRequest()
    request.prepare_method(method)
    request.prepare_url(url, None)
    request.prepare_headers(headers)
    request.prepare_body(data, None)
    return request


def _read(response: requests.Response) -> requests.Response:
    """Read the body, as far as one that makes sense goes. Raises `CaUnreachable`."""
    body = b""
    for piece in response.iter_content(65536):
        body += piece
        if len(body) > LONGEST_ANSWER:
            response.close()
            raise CaUnreachable(
                f"its answer is longer than {LONGEST_ANSWER // 1_000_000} MB, and was not read further",
                url=response.url,
                trouble=Trouble.BROKEN,
                status=response.status_code,
            )
    response._content = body  # where requests keeps it when it reads the body itself, without a bound
    return response


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        return target


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        return ""


def _shown(url: str) -> str:
    return f'"{printable(url, LONGEST_ADDRESS)}"'


def _proxies(directory: str) -> dict[str, str]:
    """Return the proxies of the environment; a CA on this machine itself is not behind one."""
    host = str(urlsplit(directory).hostname)
    near = host == "localhost" or (is_address(host) and ip_address(host).is_loopback)
    return {} if near else dict(get_environ_proxies(directory))
