"""Headers of every answer. Importing them is cheap: they are sent before the pages are imported, too."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not "no-referrer": with it browsers send "Origin: null" along with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""Unless the answer says otherwise. No Strict-Transport-Security: with it a browser that does not have our root yet would
lock the administrator out of the page that gives it, and of plain-HTTP services under the same name."""

MOST_HEADERS = 100
"""Of a request; a browser sends twenty."""


class Hardened:
    """Adds `HEADERS` to each answer of an application, which requests that no browser sends don't reach."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        from starlette.datastructures import MutableHeaders

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        status = _refused({name for name, _ in scope["headers"]}, len(scope["headers"]))
        if status:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await hardened({"type": "http.response.start", "status": status, "headers": headers})
            await hardened({"type": "http.response.body"})
            return
        await self._app(scope, receive, hardened)


def _refused(names: Set[bytes], number: int) -> int:
    """Return the status for a request that no browser sends, 0 for any other: one with too many headers, or with two ends."""
    if number > MOST_HEADERS:
        return 431
    return 400 if names >= {b"content-length", b"transfer-encoding"} else 0  # RFC 9112 section 6.1
