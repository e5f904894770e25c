"""What the API does with too much, too slow, broken and malicious requests, and what no answer ever holds."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import select
import socket
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
from starlette.datastructures import Headers

from agent.api.limits import ApiLimits
from agent.api.request_body import Content, ContentBudget, Parser
from agent.api.routes import ROUTES
from agent.errors.api import ServiceUnavailable
from agent.system.lock import held
from support.appliances.api import ANN, make_people, make_tunnel
from support.clients.api import Client, Reply
from support.processes.api import ApiProcess
from support.waiting import until

CLOSE = b"\r\nConnection: close\r\n\r\n"
KEY = re.compile(rb"PRIVATE KEY|\\$argon2|cw[st]_")


def plain(box, *sent: bytes, seconds: float = 20) -> bytes:
    """Send octets as they are and return all that comes back until the other end closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(box.appliance.layout.api))
        for each in sent:
            connection.sendall(each)
        found = b""
        while chunk := connection.recv(65536):
            found += chunk
        return found


def problem_in(answer: bytes) -> dict:
    head, _, content = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head.lower(), answer
    return json.loads(content)


def answers(box) -> bool:
    return box.api.root.get("/v1/session").status == 200


@pytest.fixture
def impatient(appliance):
    """An appliance with small limits."""
    make_tunnel(appliance)
    make_people(appliance)
    limits = {
        "content_octets": 5000,
        "content_seconds": 0.5,
        "headers_seconds": 0.5,
        "connections": 4,
        "lock_seconds": 0.3,
    }
    with ApiProcess(appliance.layout, web=(0,), limits=limits) as api:
        yield Small(appliance, api)


class Small:
    def __init__(self, appliance, api) -> None:
        self.appliance = appliance
        self.api = api


# Too much


@pytest.mark.parametrize("octets", [2 * 1024 * 1024 + 1, 7 * 1024 * 1024])
def test_a_request_that_is_too_large_is_told_so(shared, octets):
    reply = shared.admin.submit("/v1/uploads/preview", ("a", b"x" * octets))
    assert (reply.status, reply.code) == (413, "api.too_large")
    assert answers(shared)


def test_so_is_one_that_does_not_say_how_long_it_is(shared):
    connection = http.client.HTTPConnection("agent", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(shared.appliance.layout.api))
    begin = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    headers = {**shared.admin.headers, "Content-Type": "multipart/form-data; boundary=x"}
    connection.request("POST", "/v1/uploads/preview", iter([begin, *[b"x" * 65536] * 40]), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (413, "api.too_large")
    connection.close()


def test_far_too_much_is_cut_off(impatient):
    try:
        reply = impatient.api.root.post("/v1/uploads/preview", b"x" * 10_000_000)
    except OSError:
        pass  # it was cut off while it was being sent
    else:
        assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert answers(impatient)


def test_nobody_s_content_is_read_before_it_is_known_who_it_is(shared):
    reply = shared.api.browser.post("/v1/uploads/preview", b"x" * 1_000_000)
    assert (reply.status, reply.code) == (401, "api.login_needed")


@pytest.mark.parametrize("name", ["X-Long", "Authorization", "Chainwright-Client"])
def test_headers_that_are_too_long_are_refused(shared, name):
    answer = plain(shared, f"GET /v1/session HTTP/1.1\r\nHost: x\r\n{name}: ".encode(), b"y" * 40_000 + CLOSE)
    assert problem_in(answer)["code"] == "api.malformed"
    assert answers(shared)


def test_so_many_connections_and_no_more(impatient):
    held_open = []
    try:
        for _ in range(8):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(impatient.appliance.layout.api))
            held_open.append(connection)
        until(lambda: answers_at_all(impatient), what="the others have lost patience")
    finally:
        for connection in held_open:
            connection.close()


def answers_at_all(box) -> bool:
    try:
        return answers(box)
    except (OSError, http.client.HTTPException):
        return False


def test_a_form_with_many_parts_is_refused(shared):
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % each for each in range(100))
    reply = shared.admin.post(
        "/v1/uploads/preview", parts + b"--x--\r\n", **{"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert (reply.status, reply.code) == (400, "api.malformed")


# Too slow


def test_headers_that_do_not_come_are_not_waited_for(impatient):
    begun = time.monotonic()
    assert plain(impatient, b"GET /v1/session HTTP/1.1\r\nHost:") == b""
    assert plain(impatient) == b""
    assert time.monotonic() - begun < 15
    assert answers(impatient)


def test_content_that_does_not_come_is_not_waited_for(impatient):
    head = b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    assert problem_in(plain(impatient, head, b'{"user":'))["code"] == "api.too_slow"
    assert answers(impatient)


def test_content_that_drips_is_not_waited_for(impatient):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(impatient.appliance.layout.api))
        connection.sendall(b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n")
        for _ in range(300):
            connection.sendall(b"x")
            if select.select([connection], [], [], 0.05)[0]:
                break
        answer = b""
        with suppress(ConnectionResetError):  # it has not read all that dripped
            while part := connection.recv(65536):  # head and body may come apart
                answer += part
        assert b"api.too_slow" in answer
    assert answers(impatient)


def test_a_change_does_not_wait_for_ever_for_the_lock(impatient):
    with held(impatient.appliance.layout.lock, wait=0):
        reply = impatient.api.root.post("/v1/reissue", {"names": ["t.example.test"]})
        assert (reply.status, reply.code) == (503, "store.lock_held")
        assert reply.headers["retry-after"] == "5"
        assert impatient.api.root.get("/v1/status").status == 200


def test_who_only_looks_does_not_wait_for_who_changes(shared):
    with ExitStack() as lock, ThreadPoolExecutor(4) as pool:
        lock.enter_context(held(shared.appliance.layout.lock, wait=0))
        waiting = [pool.submit(shared.admin.post, "/v1/reissue", {"names": ["x.example"]}) for _ in range(4)]
        for _ in range(10):
            assert shared.viewer.get("/v1/status").status == 200
        assert not any(each.done() for each in waiting)
        lock.close()
        assert {each.result().code for each in waiting} == {"hand.nothing_to_reissue"}


@pytest.mark.parametrize("target", ["root/effects", "reissue/effects?name=t.example.test"])
def test_who_only_looks_at_what_a_change_would_do_holds_no_lock_that_changes_wait_for(shared, target):
    with held(shared.appliance.layout.lock, wait=0):
        assert shared.viewer.get(f"/v1/{target}").status == 200


# Broken and malicious


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/session HTTP/1.1\r\n\r\n",  # no Host
        b"GET /v1/session HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
        b"GET /v1/session HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/session HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        (
            b"POST /v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_told_so(shared, sent):
    answer = plain(shared, sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert problem_in(answer)["code"] == "api.malformed"


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd",
        "/v1/chains/../../../etc/passwd/download",
        "/v1/chains/..%2f..%2f..%2fetc%2fpasswd/download",
        "/v1/chains/%2e%2e/download",
        "/v1/chains/%00/download",
        "/v1/chains/%0d%0aX:%20y/download",
        "/v1/chains/'%20or%201=1--/download",
        "/v1/jobs/%25/events",
        "//v1/status",
        "/v1/status/",
        "/v1",
        "/",
        "/v1/chains//download",
        "/v1/chains/" + "a" * 5000,
    ],
)
def test_an_address_that_names_nothing_leads_nowhere(shared, target):
    reply = shared.admin.get(target)
    assert reply.status == 404
    assert reply.code in {"api.nothing_here", "usage.unknown_chain", "api.job_unknown"}
    assert b"root:" not in reply.content


def test_nothing_of_a_request_gets_into_a_header(shared):
    reply = shared.admin.get("/v1/chains/x%0d%0aset-cookie:%20a=b")
    assert set(reply.headers) <= {"date", "content-type", "content-length", "cache-control", "x-content-type-options"}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_with_those_that_there_are(shared, method):
    reply = shared.admin.ask(method, "/v1/status")
    assert (reply.status, reply.code, reply.headers["allow"]) == (405, "api.method_unknown", "GET, HEAD")


def test_a_query_that_is_not_documented_is_refused(shared):
    for target in ("/v1/status?wiew=chains", "/v1/status?view=all", "/v1/status?limit=1&limit=2", "/v1/session?x=1"):
        reply = shared.viewer.get(target)
        assert (reply.status, reply.code) == (400, "api.malformed"), target


def test_every_answer_is_for_nobody_s_cache_and_of_the_type_that_it_says(shared):
    for reply in (shared.viewer.get("/v1/status"), shared.viewer.get("/v1/x"), shared.viewer.get("/v1/root/download")):
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"


# What no answer holds


def everything(client: Client, box) -> dict[str, Reply]:
    """Ask for all that can be looked at."""
    chain = box.chain()
    found = {}
    for route in ROUTES:
        if route.method == "GET" and route.follow is None:
            target = route.path.replace("{id}", chain)
            found[target] = client.get(target)
    return found


def test_no_answer_holds_a_key_a_secret_or_where_the_agent_keeps_its_state(shared):
    token = shared.admin.post("/v1/tokens", {"name": "seen-once"}).json["token"]
    for target, reply in everything(shared.admin, shared).items():
        if target.endswith("openapi.json"):
            continue
        text = reply.content.decode(errors="replace")
        assert not KEY.search(reply.content), target
        assert token not in text
        assert str(shared.appliance.root) not in text, target
        assert "/var/lib/chainwright" not in text, target


def test_a_problem_does_not_name_the_agent_s_files_but_the_administrator_s(impatient):
    with held(impatient.appliance.layout.lock, wait=0):
        reply = impatient.api.root.post("/v1/apply", {"retry": True})
    assert reply.json["where"] == ".../lock"
    impatient.appliance.settings("nonsense = 1\n")
    reply = impatient.api.root.post("/v1/apply", {"retry": True})
    assert (reply.status, reply.code) == (503, "settings.refused")
    assert str(impatient.appliance.root) not in reply.content.decode()
    assert "/etc/chainwright/chainwright.toml" in reply.content.decode()


def test_a_mistake_of_the_program_says_nothing_of_itself(impatient):
    impatient.api.mistake.write_text("secret_4711")
    reply = impatient.api.root.get("/v1/status")
    assert (reply.status, reply.code) == (500, "api.failed")
    assert b"4711" not in reply.content
    assert "secret_4711" in impatient.api.log
    assert answers(impatient)


def test_passwords_and_passphrases_are_in_no_log_and_no_database(box):
    box.api.browser.post("/v1/session", {"user": "ann", "password": "a wrong pass phrase"})
    box.api.browser.post("/v1/session", {"user": "ann", "password": 4711, "x": "a wrong pass phrase"})
    box.admin.post(f"/v1/chains/{box.chain()}/export", {"passphrase": "a very good one"})
    box.admin.post("/v1/password", {"old": ANN, "new": "a new pass phrase"})
    octets = b"".join(path.read_bytes() for path in box.appliance.layout.private.glob("chainwright.db*"))
    for secret in ("a wrong pass phrase", "a very good one", "a new pass phrase", ANN):
        assert secret not in box.api.log
        assert secret.encode() not in octets


def test_an_upload_stays_in_memory():
    content = b'--x\r\nContent-Disposition: form-data; name="files"; filename="key.pem"\r\n\r\n' + b"k" * 2_000_000

    async def parts() -> AsyncGenerator[bytes, None]:
        yield content
        yield b"\r\n--x--\r\n"

    parser = Parser(Headers({"content-type": "multipart/form-data; boundary=x"}), parts(), 2_000_000)
    (given,) = asyncio.run(parser.parse()).getlist("files")
    assert given.size == 2_000_000
    assert given._in_memory
    given.file.close()


def test_only_forms_with_files_are_large(shared):
    reply = shared.admin.post("/v1/reissue", b"x" * (64 * 1024 + 1))
    assert (reply.status, reply.code) == (413, "api.too_large")
    reply = shared.api.browser.post("/v1/session", b"x" * (8 * 1024 + 1))
    assert (reply.status, reply.code) == (413, "api.too_large")


def test_the_content_of_all_requests_together_has_a_limited_amount_of_memory():
    async def parts() -> AsyncGenerator[bytes, None]:
        for _ in range(6):
            yield b"x" * 10

    async def check() -> None:
        budget = ContentBudget(100)
        first, second = (Content(Coming(parts()), ApiLimits(), budget) for _ in range(2))
        assert len(await first.read()) == 60
        with pytest.raises(ServiceUnavailable):
            await second.read()
        for each in (first, first, second):
            each.release()
        assert len(await Content(Coming(parts()), ApiLimits(), budget).read()) == 60

    asyncio.run(check())


class Coming:
    """A request whose content comes."""

    def __init__(self, parts: AsyncGenerator[bytes, None]) -> None:
        self._parts = parts

        self.headers: dict[str, str] = {}

    def stream(self) -> AsyncGenerator[bytes, None]:
        return self._parts


def test_many_headers_are_refused(shared):
    lines = b"".join(b"X-%d: 1\r\n" % number for number in range(101))
    answer = plain(shared, b"GET /v1/session HTTP/1.1\r\nHost: x\r\n" + lines + CLOSE[2:])
    assert problem_in(answer)["code"] == "api.malformed"
