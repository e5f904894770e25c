"""An answer of a CA: what its headers and its body say, and whether it is a refusal."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests
from acme import messages
from josepy.errors import Error as JoseError
from josepy.json_util import JSONObjectWithFields
from requests.utils import parse_header_links

from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.messages import LONGEST_DETAIL, Directory, RenewalInfo, one_line, problem_of
from agent.sources.acme.retry_after import http_date, seconds_in_words, seconds_until

NO_TYPE = "about:blank"
"""A problem that has only its HTTP status (RFC 9457 section 4.2.1)."""
UNREADABLE = (JoseError, AttributeError, TypeError, ValueError)
"""What josepy raises for JSON of another shape than it expects."""

MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
LONGEST_QUOTE = 200
"""Characters of what a server says in the place of ACME."""

M = TypeVar("M", bound=JSONObjectWithFields)


def read(kind: type[M], response: requests.Response, **headers: Any) -> M:
    """Read a message; `headers` are fields of `kind` that are not in the body. Raises `CaUnreachable`."""
    body = {**json_object(response), **headers}
    for each in kind._fields.values():
        if not each.omitempty and not body.get(each.json_name):
            raise unreadable(response, f"its answer lacks {each.json_name}")
    try:
        return kind.from_json(body)
    except UNREADABLE as error:
        raise unreadable(response, "its answer is not what ACME says", str(error)) from error


def check_acknowledged(response: requests.Response) -> None:
    """Raise `CaUnreachable` where a success is none of an ACME server: each of its own has a nonce (RFC 8555 section 6.5).

    For answers of which nothing is read: a page of whatever is before the CA is no revocation.
    """
    if not response.headers.get("Replay-Nonce"):
        raise unreadable(response, f"its answer is not what ACME says{quoted(response)}")


def read_directory(response: requests.Response) -> messages.Directory:
    """Read a directory. Raises `CaUnreachable`."""
    body = json_object(response)
    for name in ("newNonce", "newAccount", "newOrder"):  # without these nothing can be ordered (section 7.1.1)
        if not isinstance(body.get(name), str):
            raise unreadable(response, f"what stands there names no {name}")
    try:
        return Directory.from_json(body)
    except UNREADABLE as error:
        raise unreadable(response, "what stands there is no directory", str(error)) from error


def read_renewal_info(response: requests.Response, now: datetime) -> RenewalInfo:
    """Read what a CA suggests for a renewal. Raises `CaUnreachable`."""
    body = json_object(response)
    try:
        window = messages.RenewalInfo.from_json(body).suggested_window
        if window.start < window.end and window.start.tzinfo:
            explanation = body.get("explanationURL")
            text = explanation if isinstance(explanation, str) else ""
            return RenewalInfo(window.start, window.end, text, retry_after(response, now))
    except UNREADABLE:
        pass
    raise unreadable(response, "the window that it suggests for the renewal has no sense")


def json_object(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object of the body. Raises `CaUnreachable`."""
    body = json_value(response)
    if isinstance(body, dict):
        return body
    raise unreadable(response, f"its answer is not the JSON object that it should be{quoted(response)}")


def json_value(response: requests.Response) -> Any:
    """Return the JSON value of the body; None: it is none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def quoted(response: requests.Response) -> str:
    """Return what a server says to people, as the end of a clause; empty: nothing."""
    said = words(response)
    return f': "{said}"' if said else ""


def words(response: requests.Response) -> str:
    """Return what a server says to people, a line."""
    body = json_value(response)
    return one_line(problem_of(body).detail if isinstance(body, dict) else _text_of(response.content), LONGEST_QUOTE)


def _text_of(body: bytes) -> str:
    """Return the text of a body without its markup."""
    text = body[: 50 * LONGEST_QUOTE].decode("utf-8", "replace")
    return html.unescape(MARKUP.sub(" ", text))


def location(response: requests.Response) -> str:
    """Return the URL of what was made or found. Raises `CaUnreachable`."""
    if url := response.headers.get("Location"):
        return absolute(response, url)
    raise unreadable(response, "its answer does not say where the new resource is")


def links(response: requests.Response, relation: str) -> tuple[str, ...]:
    """Return the URLs of a relation (RFC 8288), in their order."""
    found = parse_header_links(response.headers.get("Link", ""))
    return tuple(absolute(response, link["url"]) for link in found if link.get("rel") == relation)


def absolute(response: requests.Response, url: str) -> str:
    """Return a URL of a header, which may be relative to what was asked (RFC 9110 section 10.2.2)."""
    try:
        return urljoin(response.url, url)
    except ValueError:
        return url


def retry_after(response: requests.Response, now: datetime) -> float | None:
    """Return the seconds from `now` that the header asks to wait; a date in it is meant by the CA's own clock."""
    header = response.headers.get("Retry-After")
    return seconds_until(header, _there(response, now)) if header else None


def is_busy(response: requests.Response, now: datetime) -> bool:
    """Whether the CA asks everyone to wait, not only for what was asked."""
    status = response.status_code
    limited = status == 503 or (status == 429 and not isinstance(json_value(response), dict))
    return limited and retry_after(response, now) is not None


def failure_of(response: requests.Response, now: datetime) -> CaProblem | CaUnreachable | None:
    """Return why an answer is none that was wanted; None: it's a success."""
    status, body = response.status_code, None
    if 200 <= status < 300:
        return None
    asked = retry_after(response, now)
    if isinstance(body := json_value(response), dict):
        problem = problem_of(body, status=status, terms="".join(links(response, "terms-of-service")[:1]))
        if problem.type != NO_TYPE or status < 500:
            waits = [asked, seconds_in_words(problem.detail, _there(response, now))]
            known = [seconds for seconds in waits if seconds is not None]
            return CaProblem(problem, url=response.url, retry_after=max(known, default=None))
    to = f', and redirects to "{one_line(location(response), LONGEST_QUOTE)}"' if response.is_redirect else ""
    return CaUnreachable(
        f"it answers with HTTP status {status} instead of what ACME says{to}{quoted(response)}",
        url=response.url,
        trouble=Trouble.BUSY if is_busy(response, now) else Trouble.BROKEN,
        status=status,
        retry_after=asked,
        detail=words(response) if is_busy(response, now) else "",
    )


def unreadable(response: requests.Response, cause: str, detail: str = "") -> CaUnreachable:
    """Return that an answer makes no sense; `detail` is the library's word."""
    return CaUnreachable(cause, url=response.url, status=response.status_code, detail=detail[:LONGEST_DETAIL])


def _there(response: requests.Response, now: datetime) -> datetime:
    """Return the instant at the CA, by its own clock where it says so."""
    return http_date(response.headers.get("Date")) or now
