"""Who gets in, and what nobody can have the web interface do."""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress

import pytest
from starlette.requests import Request
from starlette.types import Message

from plugins.webui.content import Content, ContentBudget
from plugins.webui.errors import FormTooSlow, TooManyForms, UploadForgotten
from plugins.webui.forms import File
from plugins.webui.upload_drafts import KEPT, UploadDrafts
from support.appliances.webui import Appliance, Pair
from support.fakes.api import SESSION, WHO, Browser, FakeApi, problem

COOKIE = "__Host-chainwright"
LOGIN = {"user": "admin", "password": "correct horse", "next": ""}
DEVICE_COOKIE = "__Host-chainwright-device"
OPENED = {**WHO, "token": "cws_new", "device": "", "idle_at": "2099-01-01T00:00:00Z"}
CHANGES = [
    "/check",
    "/reissue",
    "/logout",
    "/password",
    "/tokens",
    "/tokens/5f0c12aa/revoke",
    "/root/reissue",
    "/upload/confirm",
]
UPLOADS = ["/upload", "/root/replace"]


@pytest.fixture
def stranger(app_state: Appliance) -> Browser:
    return Browser(app_state)


def test_without_a_session_every_page_leads_to_the_login(agent: FakeApi, stranger: Browser) -> None:
    agent.says("GET /v1/session", problem("api.login_needed", "Neither."), 401)
    agent.says("GET /v1/status", problem("api.login_needed", "Neither."), 401)
    for address in ("/v1/root", "/v1/root/peers"):
        agent.says(f"GET {address}", problem("api.login_needed", "Neither."), 401)
    for path, where in [
        ("/certificates", "/login"),
        ("/root", "/login?next=%2Froot"),
        ("/password", "/login?next=%2Fpassword"),
    ]:
        answer = stranger.ask("GET", path, None, {}, follow=False)
        assert (answer.status, answer.headers["location"]) == (303, where)


def test_a_script_whose_session_has_ended_has_the_browser_go_to_the_login(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/session", problem("people.session_ended", "It has ended."), 401)
    answer = browser.get("/certificates", HX_Request="true")
    assert (answer.status, answer.headers["hx-redirect"]) == (200, "/login")
    assert f'{COOKIE}=""; ' in answer.headers["set-cookie"]


def test_the_cookie_is_for_this_host_only_and_for_no_script(agent: FakeApi, stranger: Browser) -> None:
    agent.says("POST /v1/session", OPENED, 201)
    answer = stranger.post("/login", LOGIN, follow=False)
    assert (answer.status, answer.headers["location"]) == (303, "/certificates")
    assert answer.headers["set-cookie"] == f"{COOKIE}=cws_new; HttpOnly; Path=/; SameSite=strict; Secure"
    ((headers, body),) = agent.calls("POST /v1/session")
    assert json.loads(body) == {"user": "admin", "password": "correct horse"}
    assert headers["Chainwright-Client"] == "127.0.0.1"
    assert "Authorization" not in headers


def test_what_says_that_a_browser_is_known_is_kept_by_it_for_no_script_and_shown_at_the_next_login(
    agent: FakeApi, stranger: Browser
) -> None:
    agent.says("POST /v1/session", {**OPENED, "device": "cwd_mine"}, 201)
    answer = stranger.post("/login", LOGIN, follow=False)
    assert answer.headers.get_all("set-cookie")[1:] == [
        f"{DEVICE_COOKIE}=cwd_mine; HttpOnly; Max-Age=15552000; Path=/; SameSite=strict; Secure"
    ]
    stranger.post("/login", LOGIN, follow=False)
    bodies = [json.loads(body) for _, body in agent.calls("POST /v1/session")]
    assert bodies == [{"user": "admin", "password": "correct horse"}, {**bodies[0], "device": "cwd_mine"}]


def test_a_viewer_has_no_part_of_the_memory_for_large_forms(agent: FakeApi, browser: Browser) -> None:
    token = browser.get("/certificates").token
    agent.says("GET /v1/session", {**WHO, "role": "viewer", "user": "vic"})
    answer = browser.upload("/upload", {"form_token": token}, {"a.pem": b"x" * 100_000})
    assert (answer.status, "vic" in answer.words) == (403, True)
    assert agent.calls("POST /v1/uploads/preview") == []


def test_what_a_client_claims_to_be_forwarded_for_is_not_believed(agent: FakeApi, stranger: Browser) -> None:
    agent.says("POST /v1/session", OPENED, 201)
    claimed = {"X_Forwarded_For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "Chainwright_Client": "203.0.113.9"}
    stranger.post("/login", LOGIN, follow=False, **claimed)
    ((headers, _),) = agent.calls("POST /v1/session")
    assert headers["Chainwright-Client"] == "127.0.0.1"
    assert "203.0.113.9" not in str(headers)


def test_an_earlier_session_of_the_browser_ends_when_another_one_begins(agent: FakeApi, browser: Browser) -> None:
    agent.says("POST /v1/session", OPENED, 201)
    agent.says("DELETE /v1/session", None)
    browser.post("/login", LOGIN, follow=False)
    ((headers, _),) = agent.calls("DELETE /v1/session")
    assert headers["Authorization"] == f"Bearer {SESSION}"
    assert browser.cookies[COOKIE] == "cws_new"


def test_a_wrong_password_is_told_and_the_name_stays_but_not_the_password(agent: FakeApi, stranger: Browser) -> None:
    agent.says("POST /v1/session", problem("people.login_refused", "Name or password is wrong.", fix="Set it."), 401)
    page = stranger.post("/login", {**LOGIN, "user": '"><b>'})
    assert page.status == 401
    assert "Name or password is wrong. What to do: Set it." in page.words
    assert "correct horse" not in page.text
    assert 'value="&#34;&gt;&lt;b&gt;"' in page.text
    assert page.headers["set-cookie"] is None


def test_who_has_tried_too_often_is_told_when_to_try_again(agent: FakeApi, stranger: Browser) -> None:
    agent.says("POST /v1/session", problem("people.too_many_tries", "Too many logins have failed."), 429)
    page = stranger.post("/login", LOGIN)
    assert (page.status, "Too many logins have failed." in page.words) == (429, True)


@pytest.mark.parametrize(
    ("after", "where"),
    [
        ("/root", "/root"),
        ("", "/certificates"),
        ("//evil.example/x", "/certificates"),
        ("/\\evil.example", "/certificates"),
        ("https://evil.example/", "/certificates"),
        ("javascript:alert(1)", "/certificates"),
        ("/a\r\nSet-Cookie: x=y", "/certificates"),
        ("/\t/evil.example", "/certificates"),
    ],
)
def test_after_the_login_one_stays_here(agent: FakeApi, stranger: Browser, after: str, where: str) -> None:
    agent.says("POST /v1/session", OPENED, 201)
    answer = stranger.post("/login", {**LOGIN, "next": after}, follow=False)
    assert answer.headers["location"] == where
    assert answer.headers.get_all("set-cookie") == [f"{COOKIE}=cws_new; HttpOnly; Path=/; SameSite=strict; Secure"]


def test_the_one_time_password_opens_nothing_but_its_own_change(agent: FakeApi, stranger: Browser) -> None:
    agent.says("POST /v1/session", {**OPENED, "must_change": True}, 201)
    agent.says("GET /v1/session", {**WHO, "must_change": True, "idle_at": None})
    for address in ("/v1/root", "/v1/root/peers"):
        agent.says(f"GET {address}", problem("people.password_change_needed", "Change it."), 403)
    page = stranger.post("/login", LOGIN)
    assert "The one-time password is good for this only." in page.words
    assert stranger.ask("GET", "/root", None, {}, follow=False).headers["location"] == "/password"
    differ = stranger.post("/password", {"form_token": page.token, "old": "a", "new": "b", "again": "c"})
    assert "not typed the same way twice" in differ.words
    agent.says("POST /v1/password", problem("people.password_refused", "Too short."), 422)
    refused = stranger.post("/password", {"form_token": page.token, "old": "a", "new": "b", "again": "b"})
    assert (refused.status, "Too short." in refused.words) == (422, True)
    agent.says("POST /v1/password", {**OPENED, "token": "cws_third"})
    done = stranger.post("/password", {"form_token": page.token, "old": "a", "new": "b", "again": "b"}, follow=False)
    assert done.headers["location"] == "/certificates"
    assert stranger.cookies[COOKIE] == "cws_third"


def test_a_token_is_no_cookie_and_a_session_is_in_the_cookie_only(agent: FakeApi, app_state: Appliance) -> None:
    agent.says("GET /v1/session", problem("api.login_needed", "Neither."), 401)
    agent.says("GET /v1/status", problem("api.login_needed", "Neither."), 401)
    program = Browser(app_state, {COOKIE: "cwt_" + "t" * 43})
    assert program.ask("GET", "/certificates", None, {}, follow=False).headers["location"] == "/login"
    shown = {"Authorization": f"Bearer {SESSION}"}
    assert Browser(app_state).ask("GET", "/certificates", None, shown, follow=False).headers["location"] == "/login"
    assert not [headers for _, headers, _ in agent.asked if "Authorization" in headers]


def test_another_password_says_which_tokens_end_and_asks(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/password/effects", {"tokens": ["backup", "graphs"]})
    page = browser.get("/password")
    assert "2 tokens that you have made end with the present password: backup, graphs" in page.words
    assert '<input type="checkbox" name="confirmed" value="1" required>' in page.text
    agent.says("POST /v1/password", problem("api.not_confirmed", "Confirmation required."), 422)
    change = {"form_token": page.token, "old": "a", "new": "b", "again": "b"}
    refused = browser.post("/password", change)
    assert (refused.status, "Confirmation required." in refused.words) == (422, True)
    agent.says("POST /v1/password", {**OPENED, "token": "cws_third"})
    browser.post("/password", {**change, "confirmed": "1"}, follow=False)
    sent = [json.loads(body)["confirmed"] for _, body in agent.calls("POST /v1/password")]
    assert sent == [False, True]


def test_logging_out_ends_the_session_at_the_agent_too(agent: FakeApi, browser: Browser) -> None:
    agent.says("DELETE /v1/session", None)
    token = browser.get("/certificates").token
    answer = browser.post("/logout", {"form_token": token}, follow=False)
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert len(agent.calls("DELETE /v1/session")) == 1


# Forged requests


FORGED: list[Mapping[str, str]] = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "nonsense"},
    {"Sec_Fetch_Site": "same-origin", "Origin": "https://evil.example"},
    {"Sec_Fetch_Site": "same-origin", "Origin": "null"},
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
@pytest.mark.parametrize("path", [*CHANGES, "/login"])
def test_a_request_of_another_site_changes_nothing(
    agent: FakeApi, browser: Browser, path: str, headers: Mapping[str, str]
) -> None:
    token = browser.get("/certificates").token
    page = browser.post(path, {"form_token": token, "name": "x"}, **headers)
    assert (page.status, agent.changes()) == (403, [])
    assert "This was not asked for by a page of this web interface" in page.words


@pytest.mark.parametrize("origin", [None, "https://localhost", "https://evil.example", ""])
def test_a_browser_that_does_not_know_fetch_metadata_must_name_its_origin(
    agent: FakeApi, browser: Browser, origin: str | None
) -> None:
    token = browser.get("/certificates").token
    body = f"form_token={token}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({} if origin is None else {"Origin": origin})
    assert browser.ask("POST", "/check", body, headers).status == 403
    assert agent.changes() == []
    agent.says("POST /v1/apply", {"job": "j1"}, 202)
    here = {**headers, "Origin": f"https://localhost:{browser.appliance.port}"}
    assert browser.ask("POST", "/check", body, here, follow=False).headers["location"] == "/jobs/j1"


@pytest.mark.parametrize("token", ["", "0" * 64, "é" * 10])
@pytest.mark.parametrize("path", CHANGES)
def test_a_form_without_the_sessions_token_changes_nothing(
    agent: FakeApi, browser: Browser, path: str, token: str
) -> None:
    page = browser.post(path, {"form_token": token, "name": "x"})
    assert (page.status, agent.changes()) == (403, [])
    assert "The form was made for a session that has ended" in page.words


def test_the_token_of_another_session_is_worth_nothing(agent: FakeApi, app_state: Appliance, browser: Browser) -> None:
    token = browser.get("/certificates").token
    assert Browser(app_state, {COOKIE: "cws_other"}).post("/check", {"form_token": token}).status == 403
    assert agent.changes() == []


@pytest.mark.parametrize("path", UPLOADS)
def test_an_upload_needs_the_token_too(agent: FakeApi, browser: Browser, path: str) -> None:
    assert browser.upload(path, {}, {"a.pem": b"x"}).status == 403
    assert agent.changes() == []


def test_the_form_token_does_not_give_the_session_away(agent: FakeApi, browser: Browser) -> None:
    page = browser.get("/certificates")
    assert SESSION not in page.text
    assert re.fullmatch(r"[0-9a-f]{64}", page.token)


# What is sent


def test_more_than_two_mebibytes_are_refused_whatever_their_length_says(agent: FakeApi, browser: Browser) -> None:
    page = browser.upload("/upload", {}, {"big.pem": b"x" * (2 * 2**20)})
    assert (page.status, agent.changes()) == (413, [])
    assert "That is more than 2 MiB." in page.words


def test_a_form_that_does_not_say_how_long_it_is_is_refused_before_any_of_it_is_read(
    agent: FakeApi, browser: Browser
) -> None:
    chunked = browser.appliance.https()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Sec-Fetch-Site": "same-origin",
        "Transfer-Encoding": "chunked",
        "Cookie": f"{COOKIE}={SESSION}",
    }
    chunked.request("POST", "/check", iter([b"x"] * 100), headers, encode_chunked=True)
    answer = chunked.getresponse()
    assert (answer.status, agent.changes()) == (400, [])
    assert b"it does not say how long it is" in answer.read()
    chunked.close()


@pytest.mark.parametrize("octets", [8 * 1024 + 1, 2 * 2**20 + 1])
def test_who_has_not_logged_in_sends_a_name_and_a_password_and_no_more(
    agent: FakeApi, stranger: Browser, octets: int
) -> None:
    page = stranger.post("/login", {**LOGIN, "user": "a" * octets})
    assert (page.status, agent.changes()) == (413, [])
    assert "That is more than 8192 bytes, and you have not logged in." in page.words


def test_nothing_large_is_read_for_a_session_that_the_agent_does_not_know(agent: FakeApi, browser: Browser) -> None:
    agent.says("GET /v1/session", problem("people.session_ended", "It has ended."), 401)
    with browser.appliance.connect() as connection:
        head = "POST /upload HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 1000000\r\n"
        head += f"Content-Type: multipart/form-data; boundary=b\r\nCookie: {COOKIE}={SESSION}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 303 ")  # of a million octets none has come


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"form_token=x"),
        ("application/json", b"{}"),
        ("application/x-www-form-urlencoded", b"\xff=\xff"),
        ("application/x-www-form-urlencoded", b"a=%FF"),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % at for at in range(60))),
        ("multipart/form-data", b"--b--"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n',
        ),
        ("multipart/form-data; boundary=b", b"preamble\r\n--b--\r\n"),
    ],
)
def test_what_is_no_form_is_refused(agent: FakeApi, browser: Browser, kind: str, body: bytes) -> None:
    page = browser.ask("POST", "/check", body, {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"})
    assert (page.status, agent.changes()) == (400, [])
    assert "What was sent is not a form" in page.words


@pytest.mark.parametrize("session", ['"\\015\\012X-Evil: 1"', "a b", "é", "x" * 300, '"'])
def test_a_cookie_that_is_no_session_never_reaches_the_agent(
    agent: FakeApi, app_state: Appliance, session: str
) -> None:
    agent.says("GET /v1/session", problem("api.login_needed", "Neither."), 401)
    answer = Browser(app_state, {COOKIE: session}).ask("GET", "/password", None, {}, follow=False)
    assert answer.status == 303
    assert [headers for _, headers, _ in agent.asked if {"Authorization", "X-Evil"} & set(headers)] == []


@pytest.mark.parametrize(
    "path",
    [
        "/certificates/..%2F..%2Fsession",
        "/certificates/%0d%0aX-Evil:%201",
        "/certificates/a%3Fconfirmed=1",
        "/jobs/..%2Ftokens",
        "/jobs/%0d%0a",
        "/certificates/%2e%2e/download",
    ],
)
def test_what_stands_in_an_address_stays_one_word_of_the_agents_address(
    agent: FakeApi, browser: Browser, path: str
) -> None:
    assert browser.get(path).status in {404, 503}
    asked = [line for line, _, _ in agent.asked if not line.startswith("GET /v1/session")]
    assert [
        line for line in asked if not re.fullmatch(r"GET /v1/(chains|jobs)/[A-Za-z0-9.%-]+(/download)?", line)
    ] == []
    assert [headers for _, headers, _ in agent.asked if "X-Evil" in headers] == []


def test_a_name_of_a_file_can_not_end_a_header(agent: FakeApi, browser: Browser) -> None:
    token = browser.get("/certificates").token
    agent.says("POST /v1/uploads/preview", problem("upload.no", "No."), 422)
    browser.upload("/upload", {"form_token": token}, {"..%0d%0a/a%22; x=\\": b"\x00\r\n--c\xff"})
    ((headers, body),) = agent.calls("POST /v1/uploads/preview")
    head, _, rest = body.partition(b"\r\n\r\n")
    assert head.count(b"\r\n") == 1
    assert b'filename="a_22_ x__"' in head
    assert rest.startswith(b"\x00\r\n--c\xff\r\n--")
    assert headers["Content-Type"].startswith("multipart/form-data; boundary=")


def content(*parts: bytes, length: int, session: str = "", budget: ContentBudget | None = None) -> Content:
    """Return content of which these parts come, and then no more."""
    left = [*parts]

    async def receive() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": True}
        return await asyncio.Future()

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-length", b"%d" % length)]}, receive)
    return Content(request, budget or ContentBudget(), session)


def test_a_form_that_never_ends_is_not_waited_for() -> None:
    with pytest.raises(FormTooSlow, match=r"not complete after 0\.\d+ seconds"):
        asyncio.run(content(b"user=", length=9).read(seconds=0.05))


def test_one_that_drips_has_as_long_as_its_rate_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.webui.content.BEGIN", 0.05)
    monkeypatch.setattr("plugins.webui.content.LOWEST_RATE", 1000)
    with pytest.raises(FormTooSlow):
        asyncio.run(content(b"x", length=9).read())
    with pytest.raises(FormTooSlow, match=r"not complete after 1\.\d+ seconds"):
        asyncio.run(content(b"x" * 1000, length=9000, session=SESSION).read())


def test_forms_of_one_session_and_of_all_together_have_a_limited_amount_of_memory() -> None:
    budget = ContentBudget(in_all=100, of_one_session=60)
    for session, octets in (("a", 60), ("b", 40)):
        budget.take(session, octets)
    for session in ("a", "b", "c"):
        with pytest.raises(TooManyForms):
            budget.take(session, 1)
    budget.give_back("a", 60)
    budget.take("c", 60)


def test_a_form_holds_its_memory_until_it_is_answered_and_gives_it_back_when_it_breaks_off() -> None:
    budget = ContentBudget(in_all=100, of_one_session=100)
    held = content(b"x" * 60, length=100, session="a", budget=budget)
    with pytest.raises(FormTooSlow):
        asyncio.run(held.read(seconds=0.05))
    with pytest.raises(TooManyForms):
        budget.take("b", 60)
    for _ in range(2):
        held.release()
    budget.take("b", 100)


def test_drafts_are_few_of_limited_size_and_go_when_their_time_is_over() -> None:
    now = [0.0]
    drafts = UploadDrafts(lambda: now[0], largest=100)
    words = [drafts.keep(str(number), {}, (File("a", b"x" * 40),)) for number in range(3)]
    with pytest.raises(UploadForgotten):
        drafts.find("0", words[0])
    assert drafts.find("2", words[2]).octets == 40
    assert drafts.keep("2", {"paste": "x" * 60}, ()) != words[2]
    with pytest.raises(UploadForgotten):
        drafts.find("2", words[2])
    now[0] = KEPT + 1
    drafts.expire()
    assert drafts._uploads == {}


def test_who_connects_and_asks_for_nothing_is_cut_off(appliance: Appliance, ecdsa: Pair) -> None:
    appliance.patience = 0.5
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.start()
    with appliance.connect() as silent, appliance.connect() as slow:
        slow.sendall(b"GET /login HTTP/1.1\r\nX: ")
        assert silent.recv(1) == slow.recv(1) == b""
    kept = appliance.https()
    kept.request("GET", "/generation")
    assert kept.getresponse().read() == b'{"generation":1}'
    held = kept.sock
    with appliance.connect() as later:
        assert later.recv(1) == b""  # so long ago was the first request
    kept.request("GET", "/generation")
    assert kept.getresponse().status == 200
    assert kept.sock is held
    kept.close()


def test_a_line_of_headers_that_never_ends_is_not_taken(app_state: Appliance) -> None:
    answer = b""
    with app_state.connect() as stream, suppress(OSError):  # it may be cut off while it's still speaking
        stream.sendall(b"GET /login HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n")
        answer = stream.recv(65536)
    assert answer.partition(b"\r\n")[0] in {b"", b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 400 "}


def test_nobody_is_sent_to_where_the_host_header_says(app_state: Appliance) -> None:
    with app_state.connect() as stream:
        stream.sendall(
            b"GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n"
        )
        answer = b"".join(iter(lambda: stream.recv(65536), b"")).decode()
    assert "location: /certificates\r\n" in answer
    assert "evil" not in answer


def test_the_agent_hears_the_address_of_the_connection_and_not_of_a_header(agent: FakeApi, browser: Browser) -> None:
    browser.get("/certificates", X_Forwarded_For="203.0.113.9", Forwarded="for=203.0.113.9")
    assert {headers["Chainwright-Client"] for _, headers, _ in agent.asked} == {"127.0.0.1"}
