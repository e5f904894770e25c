"""Secrets in what programs and services say: hidden as they are, and encoded in every way that is usual."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest

from chainwright import Secret, masked

HARD = "p\"a/s+s wö&'<rd="
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n"


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"wrong password {HARD}.", "wrong password ********."),
        (f"GET /?key={quote(HARD, safe='')}&x=1", "GET /?key=********&x=1"),
        (f"GET /{quote(HARD)}", "GET /********"),
        (f"GET /?{urlencode({'key': HARD})}", "GET /?key=********"),
        (f"GET /?key={quote_plus(HARD).replace('%C3', '%c3').lower()}", "GET /?key=********"),
        (json.dumps({"key": HARD}), '{"key": "********"}'),
        (json.dumps({"key": HARD}, ensure_ascii=False), '{"key": "********"}'),
        (repr({"key": HARD}), "{'key': '********'}"),
        (f"<key>{html.escape(HARD)}</key>", "<key>********</key>"),
        ("echo '" + HARD.replace("'", "'\\''") + "'", "echo '********'"),
        (f"Authorization: Basic {base64_of('user:' + HARD)}", "Authorization: Basic ********"),
        (f'"auth": "{base64_of(HARD).rstrip("=")}"', '"auth": "********"'),
        (f"token={base64.urlsafe_b64encode(('x?>' + HARD).encode()).decode()};", "token=********;"),
        ("nothing of it: cGFzc3dvcmQ= and /usr/share/acme.sh", "nothing of it: cGFzc3dvcmQ= and /usr/share/acme.sh"),
    ],
)
def test_a_secret_is_hidden_in_each_form(said: str, shown: str) -> None:
    assert masked(said, [Secret(HARD)]) == shown


def test_a_line_of_a_key_is_hidden_without_the_others() -> None:
    assert masked(f"near {PEM.splitlines()[1]}: error", [Secret(PEM)]) == "near ********: error"


def test_one_that_is_part_of_another_one_leaves_nothing_of_it() -> None:
    assert masked("user gateway, password gateway-2026", [Secret("gateway"), Secret("gateway-2026")]) == (
        "user ********, password ********"
    )


def test_what_is_too_short_is_not_searched_for() -> None:
    assert masked("port 53 of 10.53.0.1", [Secret("53")]) == "port 53 of 10.53.0.1"
