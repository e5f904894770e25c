"""What a client of a proxied site may say, and what its upstream gets to hear of that, on a real nginx."""

import re
import socket
import subprocess

import pytest

from plugins.nginx.claimed_headers import CLAIMED_HEADERS
from plugins.reverse_proxy import ReverseProxy
from support.clients.http import THREE, ask, connect, proxy, status_of
from support.clients.portal import DOMAIN, authorize, portal
from support.paths import CHECKOUT
from support.servers.local import listening

LIE = "192.0.2.99"
TEMPLATES = CHECKOUT / "templates/nginx"


def tell(module: ReverseProxy, *lines: str, sni: str | None) -> str:
    """Send the lines of a head as they are, over TLS."""
    with connect(module, sni) as stream:
        return told(stream, *lines)


def tell_plainly(module: ReverseProxy, *lines: str) -> str:
    with socket.create_connection((module.listen_http[0].host, module.listen_http[0].port), 20) as stream:
        return told(stream, *lines)


def told(stream: socket.socket, *lines: str) -> str:
    stream.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
    with stream.makefile("rb") as answer:
        return answer.read().decode()


def heard(text: str, name: str) -> list[str]:
    """Return the values of a header in what the upstream was told, which is the body of its answer."""
    assert status_of(text) == 200, text
    return re.findall(rf"(?im)^{re.escape(name)}: ([^\r]*)\r$", text.partition("\r\n\r\n")[2])


# The name of the site


@pytest.mark.parametrize(
    ("request_line", "host"),
    [
        ("GET / HTTP/1.1", "a.example.com"),
        ("GET / HTTP/1.1", "a.example.com:1337"),
        ("GET / HTTP/1.1", "A.Example.com."),
        ("GET https://a.example.com/ HTTP/1.1", "evil.example.net"),
        ("GET https://a.example.com:1337/ HTTP/1.1", "www.a.example.com"),
    ],
)
def test_the_host_that_an_upstream_is_told_is_the_site_s_own_name_and_port(box, upstream, request_line, host):
    module = proxy(upstream, *THREE)
    box.serve(module)
    text = tell(module, request_line, f"Host: {host}", sni="a.example.com")
    own = f"a.example.com:{module.listen[0].port}"
    assert (heard(text, "Host"), heard(text, "X-Forwarded-Host")) == ([own], [own])
    assert "1337" not in text
    assert "evil" not in text


def test_of_several_names_the_one_that_was_asked_for_is_told(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    for name in ("www.a.example.com", "any.b.example.com"):
        assert heard(ask(module, name), "Host") == [f"{name}:{module.listen[0].port}"]


@pytest.mark.parametrize("label", ['x"y', "x<y", "x'y", "x$y", "x&y"])
def test_what_no_name_can_have_does_not_get_through_a_wildcard(box, upstream, label):
    module = proxy(upstream, {"domains": ["*.b.example.com", "127.0.0.1"], "redirect": False})
    box.serve(module)
    assert status_of(tell(module, "GET / HTTP/1.1", f"Host: {label}.b.example.com", sni=None)) == 421
    assert status_of(tell_plainly(module, "GET / HTTP/1.1", f"Host: {label}.b.example.com")) == 421


def test_two_hosts_or_none_in_http_1_1_are_refused(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    twice = "Host: a.example.com", "Host: c.test"
    assert status_of(tell(module, "GET / HTTP/1.1", *twice, sni="a.example.com")) == 400
    assert status_of(tell(module, "GET / HTTP/1.1", sni="a.example.com")) == 400


def test_who_names_no_host_gets_the_site_with_an_address_or_none(box, upstream):
    module = proxy(upstream, *THREE, {"domains": ["127.0.0.1", "gw.lan"]})
    box.serve(module)
    text = tell(module, "GET / HTTP/1.0", sni=None)
    assert heard(text, "Host") == [f"127.0.0.1:{module.listen[0].port}"]
    assert status_of(tell(module, "GET / HTTP/1.0", sni="a.example.com")) == 421


def test_over_plain_http_without_a_name_no_site_answers(box, upstream):
    module = proxy(upstream, {"domains": ["a.example.com"], "redirect": False})
    box.serve(module)
    assert status_of(tell_plainly(module, "GET / HTTP/1.0")) == 421
    assert status_of(tell_plainly(module, "GET http://evil.example.net/ HTTP/1.1", "Host: a.example.com")) == 421
    text = tell_plainly(module, "GET http://a.example.com/ HTTP/1.1", "Host: evil.example.net")
    assert heard(text, "Host") == [f"a.example.com:{module.listen_http[0].port}"]


# A connection is for one site


@pytest.mark.parametrize(
    ("sni", "host", "status"),
    [
        ("a.example.com", "www.a.example.com", 200),
        ("A.EXAMPLE.COM", "www.a.example.com", 200),
        ("any.b.example.com", "any.b.example.com", 200),
        ("c.test", "a.example.com", 421),
        ("a.example.com", "c.test", 421),
        ("any.b.example.com", "other.b.example.com", 421),
        ("one.b.example.com", "any.b.example.com", 421),
        ("any.b.example.com", "one.b.example.com", 421),
        (None, "gw.lan", 200),
        (None, "127.0.0.1", 200),
        (None, "a.example.com", 421),
        ("gw.lan", "127.0.0.1", 200),
    ],
)
def test_a_connection_that_was_made_for_one_site_is_not_used_for_another(box, upstream, sni, host, status):
    sites = {"domains": ["one.b.example.com"]}, {"domains": ["127.0.0.1", "gw.lan"]}
    module = proxy(upstream, *THREE, *sites)
    box.serve(module)
    assert status_of(tell(module, "GET / HTTP/1.1", f"Host: {host}", sni=sni)) == status


def test_a_site_of_many_long_names_is_one_site_too(box, upstream):
    names = ["www.example.com", *(f"{'a.' * 100}{number}.example.com" for number in range(99))]
    module = proxy(upstream, {"domains": names})
    box.serve(module)
    assert heard(ask(module, names[-1], sni=names[0]), "X-Forwarded-Proto") == ["https"]
    assert heard(ask(module, names[0], sni=names[-1]), "X-Forwarded-Proto") == ["https"]
    assert status_of(ask(module, names[-1].replace("98", "x"), sni=names[0])) == 421


def test_the_login_page_s_upstream_is_told_no_more(box):
    with listening(authorize) as running:
        module = portal(running.port)
        box.serve(module)
        port = module.listen[0].port
        with connect(module, DOMAIN) as stream:
            answer = told(stream, "POST /x HTTP/1.1", f"Host: {DOMAIN}:1337", f"X-Original-URL: {LIE}", "X_Real_IP: 9")
        assert heard(answer, "Host") == [f"{DOMAIN}:{port}"]
        assert LIE not in answer
        assert "x_real_ip" not in answer.lower()


# What only a proxy could know


def test_nothing_that_a_client_claims_gets_through(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    own = ("X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port")
    lies = [f"{name}: {LIE}" for name in (*CLAIMED_HEADERS, *own)]
    text = tell(module, "GET / HTTP/1.1", "Host: c.test", *lies, sni="c.test")
    assert LIE not in text
    assert [len(heard(text, name)) for name in own] == [1] * len(own)
    assert [name for name in CLAIMED_HEADERS if heard(text, name)] == []


def test_what_the_client_says_beside_that_gets_through(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    said = {"Cookie": "a=b", "Authorization": "Basic eDp5", "X-Requested-With": "x", "Origin": "https://c.test"}
    text = ask(module, "c.test", "/", said)
    assert {name: heard(text, name) for name in said} == {name: [value] for name, value in said.items()}


def test_a_name_with_underscores_is_dropped_whatever_the_main_file_says(box, upstream):
    main = box.layout.templates / "nginx/nginx.conf.j2"
    main.parent.mkdir(parents=True)
    text = (TEMPLATES / "nginx.conf.j2").read_text()
    main.write_text(text.replace("server_tokens off;", "server_tokens off; underscores_in_headers on;"))
    module = proxy(upstream, {"domains": ["c.test"], "redirect": False})
    box.serve(module)
    lies = [f"{name.replace('-', '_')}: {LIE}" for name in ("X-Forwarded-For", "X-Real-IP", "Remote-User")]
    assert LIE not in tell(module, "GET / HTTP/1.1", *lies, "Host: c.test", sni="c.test")
    assert LIE not in tell_plainly(module, "GET / HTTP/1.1", *lies, "Host: c.test")


@pytest.mark.parametrize(
    "dropped", ["X-Forwarded-For", "X-Real-IP, X-Forwarded-Proto", "Host, close", "keep-alive, Host"]
)
def test_no_word_in_connection_takes_away_what_the_proxy_says(box, upstream, dropped):
    module = proxy(upstream, *THREE)
    box.serve(module)
    text = tell(module, "GET / HTTP/1.1", "Host: c.test", f"Connection: {dropped}", sni="c.test")
    assert heard(text, "X-Forwarded-For") == heard(text, "X-Real-IP") == ["127.0.0.1"]
    assert heard(text, "X-Forwarded-Proto") == ["https"]
    assert heard(text, "Connection") == []


@pytest.mark.parametrize(
    ("authorization", "connection"),
    [
        ("NTLM TlRMTVNTUAABAAAA", ["close"]),
        ("Negotiate TlRMTVNTUAABAAAA", ["close"]),
        ("negotiate YIIGhgYGKwYBBQUC", ["close"]),
        ("Basic bnRsbTpudGxt", []),
        ("Bearer ntlm", []),
    ],
)
@pytest.mark.parametrize("websocket", [True, False])
def test_a_connection_that_somebody_logs_in_on_is_not_kept_for_others(
    box, upstream, authorization, connection, websocket
):
    module = proxy(upstream, {"domains": ["c.test"], "websocket": websocket})
    box.serve(module)
    text = tell(module, "GET / HTTP/1.1", "Host: c.test", f"Authorization: {authorization}", sni="c.test")
    assert (heard(text, "Connection"), heard(text, "Authorization")) == (connection, [authorization])


# Switching protocols


@pytest.mark.parametrize("wanted", ["h2c", "HTTP/2.0", "websocket, h2c", "h2c, websocket", "TLS/1.3", "websocketx"])
def test_nothing_is_switched_to_but_a_websocket(box, upstream, wanted):
    module = proxy(upstream, *THREE)
    box.serve(module)
    lines = f"Upgrade: {wanted}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"
    text = tell(module, "GET / HTTP/1.1", "Host: c.test", *lines, sni="c.test")
    assert heard(text, "Upgrade") == heard(text, "HTTP2-Settings") == []
    assert heard(text, "Connection") == []


def test_a_site_without_websockets_is_asked_for_none(box, upstream):
    module = proxy(upstream, {"domains": ["c.test"], "websocket": False}, {"domains": ["a.example.com"]})
    box.serve(module)
    lines = "Upgrade: WebSocket", "Connection: Upgrade"
    assert heard(tell(module, "GET / HTTP/1.1", "Host: c.test", *lines, sni="c.test"), "Upgrade") == []
    with connect(module, "a.example.com") as stream:
        stream.sendall("\r\n".join(["GET / HTTP/1.1", "Host: a.example.com", *lines, "", ""]).encode())
        assert stream.recv(12) == b"HTTP/1.1 101"


def test_the_same_holds_over_http_2(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    port = module.listen[0].port
    lies = [f"{name}: {LIE}" for name in ("X-Original-URL", "Forwarded", "True-Client-IP", "X-Forwarded-For")]
    headers = [word for line in (*lies, "Upgrade: websocket") for word in ("-H", line)]
    command = ["curl", "-sk", "--http2", "--resolve", f"c.test:{port}:127.0.0.1", f"https://c.test:{port}/", *headers]
    text = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert f"Host: c.test:{port}\n" in text
    assert LIE not in text
    assert "upgrade" not in text.lower()
