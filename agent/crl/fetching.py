"""Fetch of a list over HTTP, with bounded size and time, and without credentials."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import Any, Self

from agent.crl.fetch_result import Fetched, FetchFailedError, Validators

LARGEST = 20 * 1024 * 1024
"""Bytes; the largest lists of public CAs are about half of it."""
TOTAL_TIMEOUT = 60.0
"""Seconds for the whole fetch, redirections included."""
SOCKET_TIMEOUT = 15.0
"""Seconds for a connection, and between two chunks."""
CHUNK = 64 * 1024
NOT_MODIFIED = 304
CONTENT_TYPES = "application/pkix-crl, */*;q=0.5"
"""RFC 5280 section 4.2.1.13, RFC 2585."""


def fetch(url: str, known: Validators, *, seconds: float = TOTAL_TIMEOUT, largest: int = LARGEST) -> Fetched:
    """Return the content of `url`, unless it is still what `known` describes. Raises `FetchFailedError`."""
    if not url.lower().startswith(("http://", "https://")):
        raise FetchFailedError("its URL is not an HTTP URL")
    headers = {"User-Agent": f"chainwright/{version('chainwright')}", "Accept": CONTENT_TYPES, **known.headers}
    with _DeadlineGuard(seconds) as guard:
        try:
            request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked
            with _opener(guard).open(request, timeout=SOCKET_TIMEOUT) as response:
                body = _read(response, largest)
                guard.check()
                return Fetched(body, _validators(response))
        except urllib.error.HTTPError as answer:
            with answer:
                if answer.code == NOT_MODIFIED:
                    return Fetched(None, known)
            raise FetchFailedError(f"the server answers with HTTP status {answer.code}") from answer
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = f"no complete answer within {seconds:g} s" if guard.over else _reason(error)
            raise FetchFailedError(reason, f"{type(error).__name__}: {error}") from error


def _read(response: http.client.HTTPResponse, largest: int) -> bytes:
    body = bytearray()
    while chunk := response.read(CHUNK):
        body += chunk
        if len(body) > largest:
            raise FetchFailedError(f"it is larger than {largest // 1024**2} MB")
    if response.length:  # octets that are missing: `read` doesn't raise
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _validators(response: http.client.HTTPResponse) -> Validators:
    return Validators(response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""))


def _reason(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return reason.verify_message or "its certificate does not verify"
    if isinstance(reason, TimeoutError):
        return f"no answer within {SOCKET_TIMEOUT:g} s"
    if isinstance(reason, http.client.HTTPException):
        return "the connection was closed early"
    return (reason.strerror or str(reason)).lower() if isinstance(reason, OSError) else "its URL can't be used"


class _DeadlineGuard:
    """Guard that closes all connections at a deadline: no server holds a thread by sending a byte now and then."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            for each in self._open:
                each.close()
            self._open.clear()

    def connect(self, *arguments: Any) -> socket.socket:
        """Connect like `socket.create_connection`."""
        made = socket.create_connection(*arguments)
        with self._lock:
            self._open.append(made.dup())  # TLS takes the socket over, but not the connection
        try:
            self.check()
        except TimeoutError:
            made.close()
            raise
        return made

    def check(self) -> None:
        """Raise `TimeoutError` after the deadline: a read that was cut off may have looked like the end of the file."""
        if self.over:
            raise TimeoutError

    def _cut(self) -> None:
        with self._lock:
            self.over = True
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class _Redirections(urllib.request.HTTPRedirectHandler):
    max_redirections = 3


class _Http(urllib.request.HTTPHandler):
    def __init__(self, guard: _DeadlineGuard) -> None:
        super().__init__()
        self._guard = guard

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, http.client.HTTPConnection, self._guard), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, guard: _DeadlineGuard) -> None:
        super().__init__()
        self._guard = guard

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connection, http.client.HTTPSConnection, self._guard), req)


def _connection(kind: type[http.client.HTTPConnection], guard: _DeadlineGuard, host: str, **options: Any) -> Any:
    made = kind(host, **options)
    made._create_connection = guard.connect  # type: ignore[attr-defined]
    return made


def _opener(guard: _DeadlineGuard) -> urllib.request.OpenerDirector:
    """Return an opener of HTTP, with proxies and redirections, and nothing else: no files, no FTP, no passwords."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirections(),
        _Http(guard),
        _Https(guard),
    ):
        opener.add_handler(handler)
    return opener
