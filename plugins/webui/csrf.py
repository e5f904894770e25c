"""Protection against cross-site requests: the origin of a request that changes something, and a token in its form."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from plugins.webui.errors import FormStale, FromElsewhere

SAFE = frozenset({"GET", "HEAD"})
FIELD = "form_token"


def check_origin(method: str, headers: Mapping[str, str]) -> None:
    """Raise `FromElsewhere` for a change that another site's page asks for.

    Browsers say so in Sec-Fetch-Site (W3C Fetch Metadata), older ones in Origin (RFC 6454). A client that says neither is no
    browser and uses the agent's API.
    """
    if method in SAFE:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        allowed = site in {"same-origin", "none"}
    else:
        allowed = urlsplit(headers.get("origin", "")).netloc == headers.get("host") != ""
    origin = headers.get("origin")
    if not allowed or (origin is not None and urlsplit(origin).netloc != headers.get("host")):
        raise FromElsewhere


def form_token(session: str) -> str:
    """Return the token in the forms of a session: without the cookie it can't be computed."""
    return hmac.digest(session.encode(), b"chainwright form token", hashlib.sha256).hex()


def check_form_token(session: str, shown: str) -> None:
    """Raise `FormStale` unless the form was made for this session."""
    if not hmac.compare_digest(form_token(session).encode(), shown.encode()):
        raise FormStale
