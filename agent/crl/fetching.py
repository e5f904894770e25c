"""Fetch of a list over HTTP, with bounded size and time, and without credentials."""

from __future__ import annotations

from agent.crl.fetch_result import Fetched, FetchFailedError, NotPublicError, Validators
from agent.system.destinations import anywhere, on_the_internet
from agent.system.http_exchange import AnswerTooLarge, HTTPException
from agent.system.http_fetch import Bounds, NotAllowedError, why_failed
from agent.system.http_fetch import fetch as fetch_url

LARGEST = 20 * 1024 * 1024
"""Octets; the largest lists of public CAs are about half of it. One of the shortest entries is read and verified in a second."""
NOT_MODIFIED = 304
CONTENT_TYPES = "application/pkix-crl, */*;q=0.5"
"""RFC 5280 section 4.2.1.13, RFC 2585."""


def fetch(
    url: str, known: Validators, deadline: float, public_only: bool = False, *, largest: int = LARGEST
) -> Fetched:
    """Return the content of `url`, unless it is still what `known` describes. Raises `FetchFailedError`.

    `deadline`: an instant of `time.monotonic`. `public_only`: connect to addresses of the Internet alone.
    """
    bounds = Bounds(deadline, largest, on_the_internet if public_only else anywhere)
    try:
        answer = fetch_url(url, bounds, {"Accept": CONTENT_TYPES, **known.headers})
    except NotAllowedError as error:
        if public_only:
            raise NotPublicError("its address is not one of the Internet") from error
        raise FetchFailedError("it redirects to an address that is not one of the Internet") from error
    except (OSError, ValueError, HTTPException) as error:
        raise FetchFailedError(_reason(error, largest), f"{type(error).__name__}: {error}") from error
    if answer.status == NOT_MODIFIED:
        return Fetched(None, known)
    if answer.status != 200:
        raise FetchFailedError(f"the server answers with HTTP status {answer.status}")
    return Fetched(answer.body, Validators(answer.headers.get("etag", ""), answer.headers.get("last-modified", "")))


def _reason(error: Exception, largest: int) -> str:
    if isinstance(error, AnswerTooLarge):
        return f"it is larger than {largest // 1024**2} MB"
    return why_failed(error)
