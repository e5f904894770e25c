"""Requests that no browser sends: what HTTP/1.1 allows, and what only attackers write."""

from __future__ import annotations

import gzip
import re
import zlib

import pytest

from support.appliances.webui import Appliance
from support.fakes.api import SESSION, FakeApi

GET = b"GET /generation HTTP/1.1\r\nHost: x\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
POST = b"POST /login HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
FORM = POST + b"Content-Type: application/x-www-form-urlencoded\r\n"


def statuses(box: Appliance, sent: bytes) -> list[int]:
    """Return the status of each answer to octets that are sent in one piece."""
    with box.connect() as stream:
        stream.sendall(sent)
        answer = b"".join(iter(lambda: stream.recv(65536), b""))
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0x5\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"Transfer-Encoding: identity, chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Transfer-Encoding : chunked\r\n",
    ],
)
def test_a_request_whose_end_can_be_read_in_two_ways_is_the_last_one(
    app_state: Appliance, agent: FakeApi, framing: bytes
) -> None:
    found = statuses(app_state, FORM + framing + b"\r\n0\r\n\r\n" + LAST)
    assert found == [400]
    assert agent.asked == []


def test_many_requests_in_one_piece_are_answered_one_after_another(app_state: Appliance) -> None:
    assert statuses(app_state, (GET + b"\r\n") * 100 + LAST) == [200] * 101


def test_content_in_tiny_chunks_is_not_read(app_state: Appliance, agent: FakeApi) -> None:
    sent = FORM + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 5000 + b"0\r\n\r\n"
    assert statuses(app_state, sent + LAST) == [400, 200]
    assert agent.asked == []


@pytest.mark.parametrize("count", [100, 101, 1000])
def test_so_many_headers_and_no_more(app_state: Appliance, count: int) -> None:
    lines = b"".join(b"X%d: 1\r\n" % number for number in range(count - 2))
    assert statuses(app_state, GET + lines + b"Connection: close\r\n\r\n") == [200 if count == 100 else 431]


@pytest.mark.parametrize("ranges", ["0-0", ",".join(["0-"] * 1000), ",".join(f"{n}-{n}" for n in range(500))])
def test_a_part_of_a_file_is_not_made(app_state: Appliance, ranges: str) -> None:
    path = re.findall(r'href="(/static/[^"]+\.css)"', app_state.ask("/login")[1])[0]
    answer, content = app_state.ask(path, headers={"Range": f"bytes={ranges}"})
    assert answer.status == 200
    assert len(content.encode()) == int(answer.headers["content-length"])


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress])
def test_compressed_content_is_not_unpacked(app_state: Appliance, agent: FakeApi, encode) -> None:
    body = encode(b"user=a&password=" + b"b" * 10_000_000)[:8000]
    sent = FORM + b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert statuses(app_state, sent) == [400]
    assert agent.asked == []


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0"])
def test_the_protocol_is_not_switched(app_state: Appliance, protocol: bytes) -> None:
    lines = b"Upgrade: " + protocol + b"\r\nConnection: close, Upgrade\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
    assert statuses(app_state, GET + lines) == [200]


def test_the_cookie_of_one_request_is_not_that_of_the_next(app_state: Appliance, agent: FakeApi) -> None:
    first = b"GET /password HTTP/1.1\r\nHost: x\r\nCookie: __Host-chainwright=" + SESSION.encode() + b"\r\n\r\n"
    second = b"GET /password HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    statuses(app_state, first + second)
    shown = ["Authorization" in headers for _, headers, _ in agent.asked]
    assert shown == sorted(shown, reverse=True)
    assert set(shown) == {True, False}
