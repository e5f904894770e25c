"""Why there was no answer, in plain words: what `requests` and the layers below it raise."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine

import requests
from urllib3.exceptions import NewConnectionError

from agent.sources.acme.failures import CaUnreachable, Trouble
from agent.sources.acme.timed_connections import AnswerTooSlow

CONNECT_TIMEOUT, READ_TIMEOUT = 10.0, 30.0
"""Seconds for a connection, and between two pieces of an answer."""
WORDS = {
    errno.ECONNREFUSED: "nobody listens there (connection refused)",
    errno.EHOSTUNREACH: "there is no route to it",
    errno.ENETUNREACH: "the network is unreachable",
}

ITS_OWN = (requests.exceptions.ContentDecodingError, ValueError)
"""What no network is the cause of; a ValueError is InvalidURL, InvalidSchema or MissingSchema."""
NEVER_SENT = (requests.exceptions.ConnectTimeout, NewConnectionError)
"""There was no connection at all."""


def unreachable(error: requests.RequestException | ValueError, url: str, trust: str) -> CaUnreachable:
    """Return what to raise in the place of `error`; `trust` is the file with the roots, where there is one."""
    layers = tuple(_layers(error))
    detail = f"{type(error).__name__}: {error}"
    for each in layers:
        if isinstance(each, ssl.SSLCertVerificationError):
            cause = each.verify_message.rstrip(".") or "its certificate does not verify"
            return CaUnreachable(cause, url=url, trouble=Trouble.UNTRUSTED, detail=detail, trust=trust)
    sent = not any(isinstance(each, NEVER_SENT) for each in layers)
    slow = any(isinstance(each, (TimeoutError, requests.exceptions.Timeout)) for each in layers)
    trouble = Trouble.BROKEN if isinstance(error, ITS_OWN) else Trouble.NETWORK
    return CaUnreachable(_cause(error, layers), url=url, trouble=trouble, detail=detail, sent=sent, slow=slow)


def _layers(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and all that it was made of: urllib3 hides the reason in attributes and arguments."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        parts = (getattr(each, "reason", None), *each.args, each.__cause__, each.__context__)
        waiting += [part for part in parts if isinstance(part, BaseException)]


def _cause(error: Exception, layers: tuple[BaseException, ...]) -> str:
    proxy = "through the proxy: " if isinstance(error, requests.exceptions.ProxyError) else ""
    for each in layers:
        if isinstance(each, AnswerTooSlow):
            return f"its answer is not complete after {each.seconds:g} s"
    return proxy + (_of_class(error) or _of_layers(layers) or "it broke the connection off")


def _of_class(error: Exception) -> str:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:.0f} s"
    if isinstance(error, requests.exceptions.Timeout):
        return f"no answer within {READ_TIMEOUT:.0f} s"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "its answer can't be decoded"
    if isinstance(error, ValueError):
        return "its address can't be used"
    return ""


def _of_layers(layers: tuple[BaseException, ...]) -> str:
    if any(isinstance(each, BadStatusLine) and not isinstance(each, ConnectionError) for each in layers):
        return "what answers is not HTTP"
    reasons = (_of_system(each) for each in layers if isinstance(each, OSError))
    return next((reason for reason in reasons if reason), "")


def _of_system(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"its host name can't be resolved ({error.strerror})"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake fails ({(error.reason or str(error)).replace('_', ' ').lower()})"
    if isinstance(error, TimeoutError):
        return f"no answer within {READ_TIMEOUT:.0f} s"
    if error.errno is None and str(error).startswith("Tunnel"):
        return str(error).lower()
    return WORDS.get(error.errno or 0, "")
