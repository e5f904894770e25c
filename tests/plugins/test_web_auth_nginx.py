"""The login page on a real nginx."""

import json
from collections.abc import Iterator

import pytest

from chainwright import Nginx
from plugins.web_auth import WebAuth
from support.appliances.nginx import NginxAppliance
from support.clients.http import presented, s_client
from support.clients.portal import DOMAIN, ask, ask_plainly, authorize, portal
from support.ports import free_port
from support.servers.local import listening

CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FORM = "user=alice&password="


@pytest.fixture
def box() -> Iterator[NginxAppliance]:
    """Its workers are who runs the test, as nobody gives its files a group here."""
    service = Nginx(main="own", manager="commands", worker_processes=1, user="root")
    with NginxAppliance.make(service=service) as appliance:
        yield appliance


@pytest.fixture
def backend() -> Iterator[int]:
    with listening(authorize) as running:
        yield running.port


def https(module: WebAuth) -> int:
    return module.listen[0].port


def plain(module: WebAuth) -> int:
    return module.listen_http[0].port


def assert_safe(headers: dict[str, str]) -> None:
    assert headers["content-security-policy"] == CSP
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_is_served_with_its_own_chain_and_other_names_are_refused(box, backend):
    module = portal(backend)
    box.serve(module)
    assert presented(module, "-servername", DOMAIN) == box.leaf("default")
    for arguments in [("-servername", "other.example.test"), ("-noservername",)]:
        assert b"unrecognized name" in s_client(module, *arguments).stderr


def test_the_page_is_what_its_template_and_the_settings_say(box, backend):
    texts = {"language": "de", "title": "Anmelden", "welcome": "Grüß Gott, hier geht's ins Netz."}
    brand = {"organization": "Café Ümlaut", "color": "#FFCC00", "terms": "https://cafe.example/agb?x=1"}
    module = portal(backend, texts=texts, brand=brand)
    box.serve(module)
    answer = ask(https(module))
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert_safe(answer.headers)
    assert '<html lang="de">' in answer.body
    assert "<title>Anmelden - Café Ümlaut</title>" in answer.body
    assert "<p>Grüß Gott, hier geht\u2019s ins Netz.</p>" in answer.body
    assert '<a href="https://cafe.example/agb?x=1">' in answer.body
    assert '<form method="post" action="/login">' in answer.body
    style = ask(https(module), "/style.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "background: #ffcc00;\n    color: #000;" in style.body


def test_a_logo_is_served_from_where_it_lies(box, backend):
    (box.root / "logo.png").write_bytes(b"picture")
    module = portal(backend, brand={"logo": "/logo.png"})
    box.serve(module)
    assert '<img src="/logo" alt="">' in ask(https(module)).body
    answer = ask(https(module), "/logo")
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/png", "picture")
    assert_safe(answer.headers)


@pytest.mark.parametrize(
    ("password", "place", "says"), [("right", "/done", "You are online."), ("no", "/failed", "wrong")]
)
def test_a_form_is_passed_to_the_upstream_and_ends_on_a_page_of_ours(box, backend, password, place, says):
    module = portal(backend)
    box.serve(module)
    answer = ask(https(module), "/login", method="POST", body=FORM + password)
    assert (answer.status, answer.headers["location"]) == (303, place)
    assert_safe(answer.headers)
    assert says in ask(https(module), place).body


def test_the_upstream_is_told_who_asks(box, backend):
    module = portal(backend)
    box.serve(module)
    told = ask(https(module), "/logout", method="POST", body="x=1").body.lower()
    assert told.startswith("post /logout http/1.1")
    assert "x-real-ip: 127.0.0.1\r\n" in told
    assert "x-forwarded-proto: https\r\n" in told
    assert f"host: {DOMAIN}:{https(module)}\r\n" in told


def test_an_upstream_may_have_a_path(box, backend):
    module = portal(backend, upstream=f"http://127.0.0.1:{backend}/auth/")
    box.serve(module)
    assert ask(https(module), "/login", method="POST", body=FORM).body.startswith("POST /auth/login HTTP/1.1")
    assert ask(https(module), "/captive-portal/api").body.startswith("GET /auth/captive-portal/api HTTP/1.1")


@pytest.mark.parametrize("path", ["/login", "/page/index.html", "/unavailable.html", "/captive.json", "/favicon.ico"])
def test_what_is_no_page_is_not_there(box, backend, path):
    module = portal(backend)
    box.serve(module)
    answer = ask(https(module), path)
    assert answer.status == 404
    assert_safe(answer.headers)


def test_a_form_that_is_too_large_is_refused(box, backend):
    module = portal(backend, max_body_kb=1)
    box.serve(module)
    assert ask(https(module), "/login", method="POST", body="x" * 1000).status == 303
    answer = ask(https(module), "/login", method="POST", body="x" * 1100)
    assert answer.status == 413
    assert "Nobody can sign in at the moment." in answer.body


def test_somebody_who_tries_passwords_is_slowed_down_and_the_page_is_not(box, backend):
    module = portal(backend, posts_per_minute=1)
    box.serve(module)
    statuses = [ask(https(module), "/login", method="POST", body=FORM).status for _ in range(14)]
    assert statuses[:11] == [303] * 11
    assert 429 in statuses
    assert ask(https(module)).status == 200


def test_without_its_upstream_the_page_is_there_and_says_so_after_a_form(box):
    module = portal(free_port())
    box.serve(module)
    assert ask(https(module)).status == 200
    answer = ask(https(module), "/login", method="POST", body=FORM)
    assert answer.status == 502
    assert "Nobody can sign in at the moment." in answer.body
    assert_safe(answer.headers)


# RFC 8908


def test_the_api_asks_the_upstream_for_each_client(box, backend):
    module = portal(backend)
    box.serve(module)
    answer = ask(https(module), "/captive-portal/api")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/captive+json")
    assert_safe(answer.headers)
    assert json.loads(answer.body) == {
        "captive": True,
        "user-portal-url": f"https://{DOMAIN}/",
        "seconds-remaining": 60,
        "client": "127.0.0.1",
    }
    assert ask(https(module), "/captive-portal/api", method="POST", body="x=1").status == 405


@pytest.mark.parametrize("captive", [True, False])
def test_the_api_may_say_the_same_to_all_clients(box, backend, captive):
    module = portal(backend, captive=captive, can_extend_session=True, venue_info="https://cafe.example/menu")
    box.serve(module)
    answer = ask(https(module), "/captive-portal/api")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/captive+json")
    assert_safe(answer.headers)
    assert json.loads(answer.body) == {
        "captive": captive,
        "user-portal-url": f"https://{DOMAIN}:{https(module)}/",
        "venue-info-url": "https://cafe.example/menu",
        "can-extend-session": True,
    }
    assert ask(https(module), "/captive-portal/api", method="POST", body="x=1").status == 405


def test_the_api_leaves_out_what_is_not_set(box, backend):
    module = portal(backend, captive=True)
    box.serve(module)
    assert set(json.loads(ask(https(module), "/captive-portal/api").body)) == {
        "captive",
        "user-portal-url",
        "can-extend-session",
    }


# Plain HTTP


@pytest.mark.parametrize("host", [DOMAIN, "captive.example.com", "192.0.2.1:80", "a_b", "localhost", None])
def test_plain_http_is_sent_to_the_page_whatever_name_it_asks_for(box, backend, host):
    module = portal(backend)
    box.serve(module)
    answer = ask_plainly(plain(module), "/generate_204?x=1", host=host)
    assert (answer.status, answer.headers["location"]) == (302, f"https://{DOMAIN}:{https(module)}/")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", [DOMAIN, "other.example.com"])
def test_http_01_is_answered_from_the_webroot(box, backend, host):
    module = portal(backend)
    (box.layout.webroot / "tok-en_1").write_text("tok-en_1.thumb")
    box.serve(module)
    answer = ask_plainly(plain(module), "/.well-known/acme-challenge/tok-en_1", host=host)
    assert (answer.status, answer.body) == (200, "tok-en_1.thumb")


def test_http_01_is_answered_without_a_file_where_the_thumbprint_is_known(backend):
    service = Nginx(main="own", manager="commands", worker_processes=1)
    with NginxAppliance.make(service=service, thumbprint="9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI") as box:
        module = portal(backend)
        box.serve(module)
        answer = ask_plainly(plain(module), "/.well-known/acme-challenge/tok", host=DOMAIN)
        assert answer.body == "tok.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"


def test_plain_http_may_be_left_to_others(box, backend):
    port = free_port()
    module = portal(backend, listen_http=[])
    box.serve(module)
    assert ask(https(module)).status == 200
    with pytest.raises(ConnectionRefusedError):
        ask_plainly(port)
