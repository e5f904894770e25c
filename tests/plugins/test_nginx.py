"""The reverse proxy on a real nginx."""

import base64
import os
import signal
from contextlib import suppress

import pytest

from chainwright import Nginx
from plugins.reverse_proxy import ReverseProxy
from support.appliances.nginx import NginxAppliance
from support.appliances.staged import http, switch
from support.clients.http import THREE, ask, ask_plainly, connect, presented, proxy, s_client, status_of
from support.ports import free_port
from support.processes.tree import alive
from support.waiting import until


def test_each_site_is_served_with_its_own_chain(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    for name, slot in [
        ("a.example.com", "a.example.com"),
        ("www.a.example.com", "a.example.com"),
        ("any.b.example.com", "_wildcard.b.example.com"),
        ("c.test", "c.test"),
    ]:
        assert presented(module, "-servername", name) == box.leaf(slot)


def test_the_intermediate_is_sent_as_well(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    shown = s_client(module, "-servername", "c.test", "-showcerts").stdout
    assert shown.count(b"-----BEGIN CERTIFICATE-----") == 2


def test_unknown_names_and_no_name_are_refused_in_the_handshake(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    for arguments in [("-servername", "other.example.com"), ("-noservername",)]:
        result = s_client(module, *arguments)
        assert b"unrecognized name" in result.stderr
        assert b"BEGIN CERTIFICATE" not in result.stdout


def test_a_site_with_an_address_is_what_clients_without_a_name_get_and_unknown_names_are_still_refused(box, upstream):
    module = proxy(upstream, *THREE, {"domains": ["127.0.0.1", "gw.local"]})
    box.serve(module)
    assert presented(module, "-noservername") == box.leaf("127.0.0.1")
    assert presented(module, "-servername", "gw.local") == box.leaf("127.0.0.1")
    assert presented(module, "-servername", "c.test") == box.leaf("c.test")
    assert b"unrecognized name" in s_client(module, "-servername", "other.example.com").stderr
    with connect(module, None) as stream:
        assert status_of(http(stream, "/", f"127.0.0.1:{module.listen[0].port}")) == 200


def test_a_site_with_public_and_local_names_has_two_chains_and_one_upstream(box, upstream):
    module = proxy(upstream, {"domains": ["a.example.com", "gw.lan", "127.0.0.1"]})
    box.serve(module)
    assert presented(module, "-servername", "a.example.com") == box.leaf("a.example.com")
    assert presented(module, "-servername", "gw.lan") == box.leaf("a.example.com.local")
    assert status_of(ask(module, "a.example.com")) == status_of(ask(module, "gw.lan")) == 200


def test_an_ipv6_site_is_reached_by_its_address(upstream):
    with NginxAppliance.make() as box:
        port = free_port()
        module = proxy(upstream, {"domains": ["::1"]}, listen=f"[::1]:{port}")
        box.serve(module)
        assert presented(module, "-noservername") == box.leaf("ip6---1")
        with connect(module, None) as stream:
            assert status_of(http(stream, "/", f"[::1]:{port}")) == 200


def test_a_name_that_only_the_host_header_has_is_misdirected(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    assert status_of(ask(module, "other.example.com", sni="c.test")) == 421
    assert status_of(ask_plainly(module, "other.example.com")) == 421


def test_tls_1_1_is_refused_and_1_2_and_1_3_are_served(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    ciphers = ("-cipher", "ALL:@SECLEVEL=0")
    assert b"alert protocol version" in s_client(module, "-servername", "c.test", "-tls1_1", *ciphers).stderr
    for version in ("-tls1_2", "-tls1_3"):
        assert presented(module, "-servername", "c.test", version) == box.leaf("c.test")


def test_no_session_ticket_is_given(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    shown = s_client(module, "-servername", "c.test", "-tls1_2").stdout
    assert b"TLS session ticket" not in shown


def test_http2_is_offered(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    with connect(module, "c.test", alpn="h2") as stream:
        assert stream.selected_alpn_protocol() == "h2"


def test_http_is_redirected_to_https(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    text = ask_plainly(module, "www.a.example.com", "/page?x=1")
    assert status_of(text) == 301
    assert f"Location: https://www.a.example.com:{module.listen[0].port}/page?x=1\r\n" in text


def test_a_site_without_redirect_is_served_over_http_as_well(box, upstream):
    module = proxy(upstream, {"domains": ["a.example.com"], "redirect": False})
    box.serve(module)
    assert "x-forwarded-proto: http\r\n" in ask_plainly(module, "a.example.com").lower()
    assert "x-forwarded-proto: https\r\n" in ask(module, "a.example.com").lower()


@pytest.mark.parametrize("host", ["a.example.com", "c.test", "other.example.com"])
def test_http_01_is_answered_from_the_webroot_in_every_server(box, upstream, host):
    module = proxy(upstream, THREE[0], {"domains": ["c.test"], "redirect": False})
    (box.layout.webroot / "tok-en_1").write_text("tok-en_1.thumb")
    box.serve(module)
    assert ask_plainly(module, host, "/.well-known/acme-challenge/tok-en_1").endswith("\r\n\r\ntok-en_1.thumb")
    assert status_of(ask_plainly(module, host, "/.well-known/acme-challenge/none")) == 404


@pytest.mark.parametrize("host", ["a.example.com", "c.test", "other.example.com"])
def test_http_01_is_answered_without_a_file_when_the_thumbprint_is_known(upstream, host):
    with NginxAppliance.make(thumbprint="9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI") as box:
        module = proxy(upstream, THREE[0], {"domains": ["c.test"], "redirect": False})
        box.serve(module)
        text = ask_plainly(module, host, "/.well-known/acme-challenge/any")
        assert text.endswith("\r\n\r\nany.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI")


def test_the_upstream_is_told_who_asks_and_how_and_not_what_the_client_says_of_itself(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    lies = {"X-Forwarded-For": "192.0.2.99", "X-Real-IP": "192.0.2.99", "X-Forwarded-Proto": "gopher"}
    seen = ask(module, "a.example.com", "/path?q=1", lies).lower()
    assert "get /path?q=1 http/1.1" in seen
    assert "192.0.2.99" not in seen
    for line in (
        f"host: a.example.com:{module.listen[0].port}",
        "x-forwarded-for: 127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "x-forwarded-proto: https",
    ):
        assert f"{line}\r\n" in seen


def test_a_body_that_is_larger_than_a_workers_memory_passes(upstream):
    service = Nginx(main="own", manager="commands", temporary="/tmp")
    with NginxAppliance.make(service=service) as box:
        temporary = box.layout.rooted("/tmp")
        temporary.mkdir()
        module = proxy(upstream, {"domains": ["c.test"], "max_body_mb": 1})
        box.serve(module)
        assert status_of(post(module, 1_000_000)) == 200
        assert status_of(post(module, 1_100_000)) == 413
        assert (temporary / "nginx-client-body").is_dir()


def post(module: ReverseProxy, size: int) -> str:
    with connect(module, "c.test") as stream:
        stream.sendall(b"POST / HTTP/1.1\r\nHost: c.test\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size)
        with suppress(OSError):  # a body that is too large is answered before it has come
            stream.sendall(bytes(size))
        with stream.makefile("rb") as answered:
            return answered.readline().decode()


def test_a_websocket_passes(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    key = base64.b64encode(os.urandom(16)).decode()
    with connect(module, "c.test") as stream:
        lines = ["GET /ws HTTP/1.1", "Host: c.test", "Upgrade: websocket", "Connection: Upgrade"]
        stream.sendall("\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += stream.recv(1)
        assert head.startswith(b"HTTP/1.1 101")
        stream.sendall(b"frame")
        assert stream.recv(5) == b"frame"


def test_a_connection_that_is_open_survives_a_reload_and_new_ones_get_the_new_chain(box, upstream):
    module = proxy(upstream, *THREE)
    box.serve(module)
    with connect(module, "c.test") as stream:
        stream.sendall(b"GET /ws HTTP/1.1\r\nHost: c.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        stream.recv(4096)
        old = box.leaf("c.test")
        del box.chains["c.test"]
        box.reload(module)
        stream.sendall(b"still here")
        assert stream.recv(20) == b"still here"
        assert stream.getpeercert(binary_form=True) == old
    assert box.leaf("c.test") != old
    # A worker that is about to end may take one more connection.
    until(lambda: presented(module, "-servername", "c.test") == box.leaf("c.test"), what="the new chain is served")
    assert presented(module, "-servername", "a.example.com") == box.leaf("a.example.com")


def test_the_socket_shows_each_generation_over_twenty_reloads(box, upstream):
    module = proxy(upstream, THREE[2])
    box.serve(module)
    for _ in range(20):
        box.reload(module)
    assert box.number == 21


def test_nginx_starts_again_after_it_was_killed_and_left_its_socket(box, upstream):
    module = proxy(upstream, THREE[2])
    context = box.serve(module)
    (path,) = box.layout.run.glob("reverse_proxy-*-generation.sock")
    box.kill()
    assert path.is_socket()
    assert box.generation(context) == ""
    again = box.stage(module)
    box.start(again)
    assert presented(module, "-servername", "c.test") == box.leaf("c.test")


def test_starting_leaves_a_socket_alone_that_somebody_answers(box, upstream):
    module = proxy(upstream, THREE[2])
    context = box.serve(module)
    entry = box.entry(context)
    assert not box.runner.run(box.service.start_command(entry)).ok  # nginx runs: its own start fails
    assert '"generation"' in box.generation(context)


def test_a_clean_end_removes_the_socket(box, upstream):
    module = proxy(upstream, THREE[2])
    box.serve(module)
    master = box.master
    os.kill(master, signal.SIGQUIT)
    until(lambda: not alive(master))
    assert not list(box.layout.run.glob("*-generation.sock"))


def test_nothing_is_written_outside_the_private_directories(box, upstream):
    module = proxy(upstream, THREE[2])
    box.serve(module)
    temporary = {path.name for path in box.layout.run.iterdir() if path.is_dir()}
    assert temporary == {"nginx-client-body", "nginx-proxy", "nginx-fastcgi", "nginx-scgi", "nginx-uwsgi"}
    assert (box.layout.log / "nginx-error.log").exists()
    assert [path for path in (box.root).iterdir() if path.name not in {"var", "run"}] == []


def test_keys_are_readable_by_their_owner_only(box, upstream):
    context = box.stage(proxy(upstream, *THREE))
    modes = {path.stat().st_mode & 0o777 for path in context.directory.glob("sites/*.key.pem")}
    assert modes == {0o600}


def test_a_site_without_a_chain_is_left_out_and_the_others_are_served(box, upstream):
    module = proxy(upstream, *THREE)
    chains = box.context(module, "reverse_proxy").chains
    box.start(box.stage(module, chains={slot: chain for slot, chain in chains.items() if slot != "c.test"}))
    assert presented(module, "-servername", "a.example.com") == box.leaf("a.example.com")
    assert presented(module, "-servername", "c.test") is None
    assert status_of(ask_plainly(module, "c.test")) == 421


def test_a_key_of_another_chain_is_refused_by_the_test(box, upstream):
    context = box.stage(proxy(upstream, *THREE))
    other = context.directory / "sites/c.test.key.pem"
    other.write_bytes((context.directory / "sites/a.example.com.key.pem").read_bytes())
    assert "key values mismatch" in box.check(box.entry(context))


def test_what_nginx_says_of_an_overridden_template_is_kept(box, upstream):
    override = box.layout.templates / "reverse_proxy" / "proxy.conf.j2"
    override.parent.mkdir(parents=True)
    override.write_text("proxy_http_version 1.1\n")
    output = box.check(box.entry(box.stage(proxy(upstream, *THREE))))
    assert 'unexpected end of file, expecting ";" or "}" in ' in output
    assert "/proxy.conf:2" in output


def test_two_instances_share_one_nginx_and_its_addresses(box, upstream):
    first = proxy(upstream, THREE[0])
    second = proxy(upstream, THREE[2], listen=first.listen, listen_http=first.listen_http)
    contexts = box.stage(first), box.stage(second, "other_proxy")
    box.start(*contexts)
    assert presented(first, "-servername", "a.example.com") == box.leaf("a.example.com")
    assert presented(first, "-servername", "c.test") == box.leaf("c.test")
    assert [box.generation(context) for context in contexts] == [
        '{"generation": 1, "entry": 2 }',
        '{"generation": 2, "entry": 2 }',
    ]


def test_a_thousand_sites_with_long_names_pass_the_test(box, upstream):
    chain = box.authority.chain("x.example.com")
    names = [f"site-{number}.{'x' * 60}.{'y' * 60}.{'z' * 60}.example.com" for number in range(1000)]
    module = proxy(upstream, *({"domains": [name]} for name in names))
    box.chains = dict.fromkeys((need.slot for need in module.declare_needs(box.host)), chain)
    assert not box.check(box.entry(box.stage(module)))


ADMINISTRATORS = """
daemon on;
pid {root}/run/nginx.pid;
error_log {root}/error.log;
events {{ }}
http {{
    ssl_protocols TLSv1.1 TLSv1.2;
    ssl_prefer_server_ciphers on;
    access_log off;
    {temporary}
    include {root}/etc/nginx/conf.d/*.conf;
    server {{ listen 127.0.0.1:{port} default_server; server_name _; return 200 "the administrator's page"; }}
}}
"""


def test_the_administrators_own_main_file_includes_ours(upstream):
    service = Nginx(manager="commands")
    with NginxAppliance.make(service=service) as box:
        kinds = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
        temporary = " ".join(f"{kind}_temp_path {box.root}/{kind};" for kind in kinds)
        module = proxy(upstream, *THREE)
        main = box.layout.rooted("/etc/nginx/nginx.conf")
        main.parent.mkdir(parents=True)
        main.write_text(ADMINISTRATORS.format(root=box.root, temporary=temporary, port=module.listen_http[0].port))
        assert service.checks_in_place
        context = box.stage(module)
        entry = box.entry(context)
        switch(entry.places.state, entry.directory)
        assert not box.check(entry)
        assert box.runner.run(service.start_command(entry)).ok
        box.wait_for_generation(context)
        assert presented(module, "-servername", "c.test", "-tls1_3") == box.leaf("c.test")
        assert b"unrecognized name" in s_client(module, "-servername", "other.example.com").stderr
        assert "the administrator's page" in ask_plainly(module, "other.example.com")
        assert status_of(ask_plainly(module, "c.test")) == 301


def test_that_newer_nginx_has_another_way_to_say_http2_is_no_warning_of_ours():
    of_ours = (
        'nginx: [warn] the "listen ... http2" directive is deprecated, use the "http2" directive instead in /m/a.conf:4'
    )
    conflict = 'nginx: [warn] conflicting server name "a.example.com" on 0.0.0.0:443, ignored'
    output = f"{of_ours}\n{conflict}\nnginx: test is successful\n"
    assert Nginx(main="own").warnings_in(output) == [conflict]
    assert Nginx().warnings_in(output) == [], "its diagnosis names the files of both"
