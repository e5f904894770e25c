"""GET and POST of a URL, within bounds: size, one deadline for it all, five redirections, addresses that may be connected to.

Names are resolved once for each connection, and the connection goes to an address that was looked at: a name that leads
elsewhere a moment later changes nothing. Redirections are looked at like the first URL, and lead from no server of the Internet
to an address that is not of it.
"""

from __future__ import annotations

import base64
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from agent.system.deadline import remaining
from agent.system.destinations import Allowed, IpAddress, anywhere, on_the_internet
from agent.system.http_exchange import HttpAnswer, HTTPException, exchange, request_head
from agent.system.tls import TlsSocket

MOST_REDIRECTIONS = 5
REDIRECTIONS = frozenset({301, 302, 303, 307, 308})
CONNECT_SECONDS = 10.0
"""For a connection to one address, of several that a name may have."""
PORTS = {"http": 80, "https": 443}
PROXY_PORT = 3128
LARGEST_ANSWER_TO_POST = 65536
LARGEST_REFUSAL = 4096
"""Octets of what a proxy says instead of connecting."""


class NotAllowedError(OSError):
    """None of the addresses of a host may be connected to."""


class TooManyRedirectionsError(OSError):
    """One redirection after the other."""


class ProxyRefusedError(OSError):
    """A proxy does not connect."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a fetch."""

    deadline: float
    """Instant of `time.monotonic`: for names, connections, handshakes, redirections and the whole answer."""
    largest: int
    """Octets of the body."""
    allowed: Allowed = anywhere
    schemes: Collection[str] = ("http", "https")
    redirections: int = MOST_REDIRECTIONS
    use_proxies: bool = True
    """Those of the environment: ``http_proxy``, ``https_proxy``, ``no_proxy``."""


class HttpFailed(OSError):
    """A server gave no answer, or none that can be used: as text, a clause that says why."""


def http_post(
    url: str,
    content: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    trust: Path | None = None,
) -> HttpAnswer:
    """POST to a server, and return what it answers, 64 KiB at most, whatever its status; redirections are not followed.

    `trust`: PEM file with the roots of the server; None: the system's. Raises `HttpFailed`.
    """
    bounds = Bounds(time.monotonic() + timeout, LARGEST_ANSWER_TO_POST, redirections=0)
    try:
        context = ssl.create_default_context(cafile=trust) if trust else None
        return fetch(url, bounds, headers, context, content)
    except (OSError, HTTPException, ValueError) as error:
        raise HttpFailed(why_failed(error)) from error


def fetch(
    url: str,
    bounds: Bounds,
    headers: Mapping[str, str] | None = None,
    context: ssl.SSLContext | None = None,
    content: bytes | None = None,
) -> HttpAnswer:
    """Return the answer to a GET, and of redirections the last one's. `context`: whom to trust; None: the system's roots.

    With `content` it is a POST, also to where it is redirected to.

    Raises OSError (`TimeoutError`, `AnswerTooLarge`, `NotAllowedError`, `TooManyRedirectionsError`, `ProxyRefusedError`),
    `http.client.HTTPException`, and ValueError for a URL that can't be used.
    """
    for _ in range(bounds.redirections + 1):
        answer, outside = _answer(_parsed(url, bounds.schemes), bounds, headers or {}, context, content)
        if outside:
            bounds = replace(bounds, allowed=_both(bounds.allowed, on_the_internet))
        location = answer.headers.get("location") if answer.status in REDIRECTIONS else None
        if not location:
            return answer
        url = urljoin(url, location)
    often = f" more than {bounds.redirections} times" if bounds.redirections else ""
    raise TooManyRedirectionsError(f"it redirects{often}")


def why_failed(error: Exception) -> str:
    """Return a failure of `fetch` as a clause."""
    if isinstance(error, TimeoutError):
        return "no complete answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message or "its certificate does not verify"
    if isinstance(error, HTTPException | ConnectionResetError | BrokenPipeError):
        return "the connection was closed early"
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else "its URL can't be used"


def _both(one: Allowed, other: Allowed) -> Allowed:
    return lambda address: one(address) and other(address)


def _parsed(url: str, schemes: Collection[str]) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname or parts.port == 0:  # reading the port raises ValueError
        raise ValueError("it is not an HTTP URL")
    return parts


def _answer(
    parts: SplitResult,
    bounds: Bounds,
    headers: Mapping[str, str],
    context: ssl.SSLContext | None,
    content: bytes | None,
) -> tuple[HttpAnswer, bool]:
    """Return the answer of one server, and whether that is on the Internet, as far as is known of one behind a proxy."""
    proxy = _proxy_for(parts) if bounds.use_proxies else None
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    if proxy is not None and parts.scheme == "http":
        target = urlunsplit((parts.scheme, _host_of(parts), parts.path or "/", parts.query, ""))
        headers = {**headers, **_authorization(proxy)}
    if content is not None:
        headers = {**headers, "Content-Length": str(len(content))}
    with _connected(parts, proxy, bounds, context) as stream:
        head = request_head("GET" if content is None else "POST", target, _host_of(parts), headers)
        outside = proxy is not None or on_the_internet(_ip(stream.getpeername()))
        return exchange(stream, head + (content or b""), bounds.deadline, bounds.largest), outside


def _host_of(parts: SplitResult) -> str:
    """Return the host with its port as in the URL, without a user and a password."""
    return parts.netloc.rpartition("@")[2]


@contextmanager
def _connected(
    parts: SplitResult, proxy: SplitResult | None, bounds: Bounds, context: ssl.SSLContext | None
) -> Iterator[socket.socket]:
    host, port = str(parts.hostname), parts.port or PORTS[parts.scheme]
    with ExitStack() as stack:
        if proxy is None:
            stream = stack.enter_context(_dialled(host, port, bounds, bounds.allowed))
        else:
            _check_behind_proxy(host, port, bounds)
            near = str(proxy.hostname), proxy.port or PROXY_PORT
            stream = stack.enter_context(_dialled(*near, bounds, anywhere))  # the administrator's own choice
        if parts.scheme == "https":
            if proxy is not None:
                _tunnel(stream, host, port, proxy, bounds)
            stream = stack.enter_context(_secured(stream, host, bounds.deadline, context))
        yield stream


def _dialled(host: str, port: int, bounds: Bounds, allowed: Allowed) -> socket.socket:
    """Connect to the first address that may be connected to, and answers."""
    failure: OSError = NotAllowedError(f"{host} has no address that may be connected to")
    for family, address in _resolved(host, port, bounds.deadline):
        if not allowed(_ip(address)):
            continue
        stream = socket.socket(family, socket.SOCK_STREAM)
        try:
            stream.settimeout(min(CONNECT_SECONDS, remaining(bounds.deadline)))
            stream.connect(address)
        except OSError as error:
            stream.close()
            failure = error
        else:
            return stream
    raise failure


def _check_behind_proxy(host: str, port: int, bounds: Bounds) -> None:
    """Raise `NotAllowedError` for a host that is known here by addresses that may not be connected to.

    Any other is the proxy's to resolve: what may be reached through it, it decides.
    """
    if bounds.allowed is anywhere:
        return
    try:
        found = _resolved(host, port, bounds.deadline)
    except socket.gaierror:
        return
    if not any(bounds.allowed(_ip(address)) for _family, address in found):
        raise NotAllowedError(f"{host} has no address that may be connected to")


def _resolved(host: str, port: int, deadline: float) -> list[tuple[int, Any]]:
    """Return families and addresses of a host. The resolver has time-outs of its own, so it's asked in a thread."""
    outcome: queue.SimpleQueue[list[tuple[int, Any]] | Exception] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            outcome.put(error)
        else:
            outcome.put([(family, address) for family, _, _, _, address in rows])

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    try:
        found = outcome.get(timeout=remaining(deadline))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found


def _ip(address: Any) -> IpAddress:
    return ipaddress.ip_address(str(address[0]).partition("%")[0])  # without a zone (RFC 4007)


def _secured(stream: socket.socket, host: str, deadline: float, context: ssl.SSLContext | None) -> ssl.SSLSocket:
    trusted = context or ssl.create_default_context()
    trusted.sslsocket_class = TlsSocket
    secured = trusted.wrap_socket(stream, server_hostname=host, do_handshake_on_connect=False)
    try:
        secured.settimeout(remaining(deadline))
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


# Proxies


def _proxy_for(parts: SplitResult) -> SplitResult | None:
    url = getproxies().get(parts.scheme)
    if not url or proxy_bypass(_host_of(parts)):
        return None
    return _parsed(url if "://" in url else f"http://{url}", ("http",))


def _tunnel(stream: socket.socket, host: str, port: int, proxy: SplitResult, bounds: Bounds) -> None:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = request_head("CONNECT", place, place, _authorization(proxy))
    answer = exchange(stream, head, bounds.deadline, LARGEST_REFUSAL, cut=True)
    if answer.status != 200:
        raise ProxyRefusedError(f"the proxy answers with HTTP status {answer.status}")


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
