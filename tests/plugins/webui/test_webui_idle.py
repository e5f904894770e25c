"""The web interface while nobody uses it: small, answering the agent's probe, and there for the first who comes."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.errors.problem import rfc3339
from chainwright import Endpoint
from plugins.webui.idle import answer, is_probe, may_become_probe
from plugins.webui.probe import WebUIProbe
from plugins.webui.site import Site
from plugins.webui.start import Start
from plugins.webui.upload_drafts import KEPT, UploadDrafts
from support.appliances.webui import Appliance, Pair
from support.fakes.api import SESSION, WHO, Browser, chain, fake_api, status
from support.waiting import until

PROBE = b"GET /generation HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
HEAVY = ("uvicorn", "starlette", "jinja2", "cryptography", "pydantic", "click", "sqlite3")


def words_of(appliance: Appliance) -> list[str]:
    """Return the command line of the process."""
    assert appliance.process
    return Path(f"/proc/{appliance.process.pid}/cmdline").read_text().split("\0")


def executed_again(appliance: Appliance) -> bool:
    return "plugins.webui" in words_of(appliance)


@pytest.fixture
def soon_idle(appliance: Appliance, ecdsa: Pair) -> Appliance:
    """One that makes itself small again at once."""
    appliance.idle = 0.0
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.start()
    return appliance


def test_the_idle_process_imports_none_of_the_pages() -> None:
    code = f"import plugins.webui.__main__, sys; print([each for each in {HEAVY} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


def test_the_probe_is_answered_as_by_the_pages(serving: Appliance) -> None:
    with serving.connect() as stream:
        stream.sendall(PROBE)
        idle = b"".join(iter(lambda: stream.recv(4096), b""))
    serving.ask("/connection")  # from now on the pages answer
    with serving.connect() as stream:
        stream.sendall(PROBE)
        pages = b"".join(iter(lambda: stream.recv(4096), b""))
    assert parts(idle) == parts(pages)


def parts(whole: bytes) -> tuple[bytes, set[bytes], bytes]:
    """Return first line, headers without the date, and content."""
    head, _, body = whole.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    names = [each.partition(b":")[0] for each in headers]
    assert names.count(b"date") == 1
    return line, {each for each in headers if not each.startswith(b"date:")}, body


@pytest.mark.parametrize(
    "request_",
    [
        PROBE.replace(b"GET", b"POST"),
        PROBE.replace(b"/generation", b"/generation?x"),
        PROBE.replace(b"Connection: close", b"Connection: keep-alive"),
        PROBE.replace(b"Host: localhost\r\n", b""),
        PROBE.replace(b"Host: localhost\r\n", b"Host: localhost\r\nHost: other\r\n"),
        PROBE.replace(b"Accept-Encoding: identity", b"Content-Length: 5"),
        PROBE.replace(b"Accept-Encoding: identity", b"Transfer-Encoding: chunked"),
        PROBE.replace(b"Accept-Encoding: identity", b"Expect: 100-continue"),
        PROBE.replace(b"Accept-Encoding: identity", b"Connection: upgrade"),
        PROBE.replace(b"Accept-Encoding: identity", b" folded"),
        PROBE.replace(b"Accept-Encoding: identity", b"Name : a"),
        PROBE.replace(b"HTTP/1.1", b"HTTP/1.12"),
        PROBE + b"G",
        PROBE + PROBE,
        b"GET /generation HTTP/1.1" + b"x" * 2000,
        b"\x16\x03\x01",
    ],
)
def test_anything_but_the_probe_is_left_to_the_pages(request_: bytes) -> None:
    assert not is_probe(request_)
    assert not may_become_probe(request_)


def test_the_agent_s_own_probe_leaves_it_idle(soon_idle: Appliance) -> None:
    assert soon_idle.process
    soon_idle.ask("/connection")
    until(lambda: executed_again(soon_idle), what="it was executed again")
    with soon_idle.connect() as stream:
        endpoint = Endpoint(port=soon_idle.port, slot="address")
        assert WebUIProbe().above(stream, endpoint, time.monotonic() + 20) == 1
    mapped = Path(f"/proc/{soon_idle.process.pid}/maps")
    assert "markupsafe" not in mapped.read_text()
    soon_idle.ask("/connection")
    assert "markupsafe" in mapped.read_text()


def test_a_probe_may_come_in_pieces(serving: Appliance) -> None:
    assert is_probe(PROBE)
    assert all(may_become_probe(PROBE[:end]) and not is_probe(PROBE[:end]) for end in range(len(PROBE)))
    with serving.connect() as stream:
        for octet in PROBE:
            stream.sendall(bytes([octet]))
        assert parts(b"".join(iter(lambda: stream.recv(4096), b""))) == parts(answer(1))


def test_connections_that_came_before_the_pages_go_on(serving: Appliance) -> None:
    with serving.connect() as silent, serving.connect() as half, serving.connect() as whole:
        half.sendall(b"GET /gener")
        whole.sendall(b"GET /connection HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: whole.recv(4096), b"")).startswith(b"HTTP/1.1 200 OK\r\n")
        for stream, rest in ((half, PROBE.removeprefix(b"GET /gener")), (silent, PROBE)):
            stream.sendall(rest)
            assert parts(b"".join(iter(lambda stream=stream: stream.recv(4096), b""))) == parts(answer(1))


def test_a_connection_that_sends_nothing_is_dropped_while_idle(appliance: Appliance, ecdsa: Pair) -> None:
    appliance.patience = 0.2
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.start()
    with appliance.connect() as stream, contextlib.suppress(ssl.SSLError, ConnectionError):
        assert stream.recv(1) == b""


def test_the_same_process_goes_on_after_it_was_used(soon_idle: Appliance) -> None:
    for _ in range(3):
        answered, page = soon_idle.ask("/connection")
        assert (answered.status, "Test Root" in page) == (200, True)
        until(lambda: executed_again(soon_idle), what="it was executed again")
    assert soon_idle.process
    assert soon_idle.pid_file.read_text() == f"{soon_idle.process.pid}\n"
    assert soon_idle.log.count("is served on") == 1
    assert "ERROR" not in soon_idle.log
    assert soon_idle.stop() == 0
    assert not soon_idle.pid_file.exists()


def test_it_takes_the_next_generation_after_it_was_executed_again(soon_idle: Appliance, rsa: Pair) -> None:
    soon_idle.ask("/connection")
    until(lambda: executed_again(soon_idle), what="it was executed again")
    soon_idle.stage(2, rsa)
    soon_idle.reload(2)
    until(lambda: soon_idle.presented() == rsa.der, what="the next chain is presented")


def test_what_was_seen_last_is_remembered(soon_idle: Appliance) -> None:
    with fake_api(soon_idle.api) as agent:
        agent.says("GET /v1/session", {**WHO, "idle_at": rfc3339(datetime.now(UTC) + timedelta(minutes=30))})
        agent.says("GET /v1/status", status(chain()))
        agent.says("GET /v1/status?view=uploaded&limit=50&offset=0", status())
        assert Browser(soon_idle, {"__Host-chainwright": SESSION}).get("/certificates").status == 200
    until(lambda: executed_again(soon_idle), what="it was executed again")
    page = Browser(soon_idle, {"__Host-chainwright": SESSION}).get("/certificates")
    assert (page.status, "mail.example.com" in page.text) == (503, True)
    assert Browser(soon_idle, {"__Host-chainwright": "other"}).get("/certificates").text.count("mail.example.com") == 0


def test_a_generation_that_could_not_be_loaded_again_is_not_given_up(serving: Appliance, rsa: Pair) -> None:
    site = Site(serving.live)
    assert site.can_be_loaded_again
    key = serving.stage(2, rsa) / "address/key.pem"
    serving.switch(2)
    assert not site.can_be_loaded_again
    site.reload()
    assert site.can_be_loaded_again
    key.write_text("nonsense")
    assert not site.can_be_loaded_again


def test_an_upload_that_waits_for_its_confirmation_keeps_the_process() -> None:
    now = [0.0]
    drafts = UploadDrafts(lambda: now[0])
    assert not drafts
    drafts.keep("session", {}, ())
    assert drafts
    now[0] = KEPT
    assert not drafts


def test_what_is_remembered_is_in_no_file_and_read_once(tmp_path: Path) -> None:
    start = Start(tmp_path, [], tmp_path, [], tmp_path)
    start.remember("one")
    start.remember("two")
    assert start.memory is not None
    assert str(Path(f"/proc/self/fd/{start.memory}").readlink()).startswith("/memfd:")
    assert (start.remembered(), start.remembered()) == ("two", "")
