"""HTTP-01 with nginx at the port, the reverse proxy's own and somebody else's, and CAs that validate it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from agent.errors.http01 import AnsweredByAnother
from support.appliances.nginx import NginxAppliance
from support.appliances.proxied import NGINX
from support.cas.pebble import Pebble
from support.clients.http import proxy
from support.fakes.http01 import AT, NAME, PATH, THUMBPRINT, looking
from support.fakes.orderer import Opened
from support.ports import free_port
from support.servers.local import Maker
from support.waiting import until

REDIRECTING, SERVED, WILD = "a.example.com", "c.example.com", "any.b.example.com"
ADDRESSES = ("127.0.0.2", "2001:db8::2")
UNKNOWN = "other.example.com"
SITES = (
    {"domains": [REDIRECTING, "www.a.example.com"]},
    {"domains": ["*.b.example.com"]},
    {"domains": [SERVED], "redirect": False},
    {"domains": [*ADDRESSES], "redirect": False},
)
NAMES = (REDIRECTING, "www.a.example.com", WILD, SERVED, *ADDRESSES, UNKNOWN)
"""Every kind of server: one that redirects, one that does not, and the default server."""


# The reverse proxy's own


@pytest.fixture(params=[THUMBPRINT, "x" * 43, None], ids=["stateless", "another account's", "webroot"])
def appliance(request) -> Iterator[NginxAppliance]:
    with NginxAppliance.make(thumbprint=request.param) as made:
        yield made


def serve(appliance: NginxAppliance, port: int) -> None:
    where = {"listen": f"127.0.0.1:{free_port()}", "listen_http": [f"127.0.0.1:{port}", f"[::1]:{port}"]}
    appliance.serve(proxy(free_port(), *SITES, **where))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_every_server_of_the_reverse_proxy_answers_over_both_families(appliance: NginxAppliance, address: str):
    port = free_port()
    serve(appliance, port)
    with looking(appliance.layout.webroot, port, addresses=lambda: [address]) as here:
        here.prepare(*NAMES)
        for number, name in enumerate(NAMES):
            here.present(f"token{number}", name)
        assert here.files() == (
            [] if appliance.thumbprint == THUMBPRINT else [f"token{number}" for number in range(len(NAMES))]
        )
        for number, name in enumerate(NAMES):
            assert ask(address, port, name, f"{PATH}token{number}") == (200, f"token{number}.{THUMBPRINT}")
            here.answers.clean_up(name, f"token{number}")
        assert here.files() == []


@pytest.mark.parametrize("path", [PATH, f"{PATH}a/b", f"{PATH}a%2e", f"{PATH}../x", "/.well-known/other"])
def test_what_is_no_token_is_a_page_like_every_other(appliance: NginxAppliance, path: str):
    port = free_port()
    serve(appliance, port)
    status, text = ask("127.0.0.1", port, REDIRECTING, path)
    assert status in {301, 400}
    assert THUMBPRINT not in text


def ask(address: str, port: int, name: str, path: str) -> tuple[int, str]:
    """Ask as a CA does, but without following a redirection."""
    host = f"[{name}]" if ":" in name else name
    place = f"[{address}]" if ":" in address else address
    with requests.Session() as client:
        client.trust_env = False
        request = requests.Request("GET", f"http://{place}:{port}/", headers={"Host": f"{host}:{port}"}).prepare()
        request.url = f"http://{place}:{port}{path}"
        answer = client.send(request, timeout=20, allow_redirects=False)
        return answer.status_code, answer.text


# Somebody else's

MAIN = """
user root;
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ }}
http {{
    access_log off;
    {temporary}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
    {more}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")


class Stranger:
    """An nginx with a configuration that the agent has nothing to do with."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def serve(self, server: str, more: str = "") -> None:
        """Run with what stands in the server block and behind it."""
        self.stop()
        temporary = " ".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in TEMPORARY)
        values = {"directory": self.directory, "temporary": temporary, "port": self.port}
        main = self.directory / "nginx.conf"
        main.write_text(MAIN.format(server=server, more=more, **values))
        self._process = subprocess.Popen([NGINX, "-e", str(self.directory / "error.log"), "-c", str(main)])
        until(self._up, what="nginx is up")

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)

    def _up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.directory / "error.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=20).close()
        except ConnectionRefusedError:
            return False
        return True


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Stranger]:
    made = Stranger(tmp_path / "nginx")
    yield made
    made.stop()


@pytest.fixture
def webroot(tmp_path: Path) -> Path:
    directory = tmp_path / "http-01"
    directory.mkdir()
    return directory


def line_of(error: AnsweredByAnother) -> str:
    """Return the line that the error tells an administrator to write."""
    found = re.search(r"Write (location .* \{ .*?; \}) into its server block", error.problem.fix)
    assert found, error.problem.fix
    return found[1]


def test_the_line_that_an_error_gives_makes_another_nginx_answer(stranger: Stranger, webroot: Path):
    stranger.serve("location / { return 404; }")
    with looking(webroot, stranger.port) as here:
        error = here.refusal()
        assert f"at 127.0.0.1:{stranger.port} says 404 Not Found." in error.problem.cause
        stranger.serve(f"location / {{ return 404; }}\n{line_of(error)}")
        here.prepare()


def test_a_redirection_that_comes_before_every_location_is_moved_as_the_error_says(stranger: Stranger, webroot: Path):
    stranger.serve("return 301 https://$host$request_uri;")
    with looking(webroot, stranger.port, https_port=free_port()) as here:
        error = here.refusal()
        assert "and its redirect into location / { }" in error.problem.fix
        stranger.serve(f"return 301 https://$host$request_uri;\n{line_of(error)}")
        here.refusal()
        stranger.serve(f"location / {{ return 301 https://$host$request_uri; }}\n{line_of(error)}")
        here.prepare()


def test_a_redirection_to_an_https_server_that_serves_the_webroot_is_good_enough(
    stranger: Stranger, webroot: Path, tmp_path: Path
):
    material, port = Maker(tmp_path).make(), free_port()
    secure = (
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {material.chain_file};"
        f' ssl_certificate_key {material.key_file}; location {PATH} {{ alias "{webroot}/"; }} }}'
    )
    stranger.serve("return 301 https://$host$request_uri;", secure)
    with looking(webroot, stranger.port, https_port=port) as here:
        here.prepare()
        here.present()
        assert here.files() == ["token"]


# CAs validate it


def test_a_ca_validates_what_the_reverse_proxy_answers_without_a_file(at: Opened, pebble: Pebble):
    orderer = at(pebble)
    with NginxAppliance.make(thumbprint=orderer.context.http01.thumbprint) as appliance:
        serve(appliance, pebble.http_port)
        chain = orderer.order(REDIRECTING, SERVED, "any.site.test")
    assert set(chain.names) == {REDIRECTING, SERVED, "any.site.test"}


def test_a_ca_validates_what_another_web_server_answers_from_the_webroot(
    at: Opened, pebble: Pebble, stranger: Stranger, webroot: Path
):
    orderer = at(pebble)
    stranger.port = pebble.http_port
    stranger.serve(f'location ^~ {PATH} {{ alias "{orderer.context.webroot}/"; }}')
    before = set(orderer.context.webroot.iterdir())
    assert orderer.order(NAME, "www.example.com").covers([NAME, "www.example.com"])
    assert set(orderer.context.webroot.iterdir()) == before


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_ca_validates_what_the_agent_answers_over_either_family(at: Opened, pebble_with, family: str):
    pebble = pebble_with()
    if family == "ipv6":
        pebble.dns.set_default_a("")
        pebble.dns.set_default_aaaa("::1")
    orderer = at(pebble)
    assert orderer.order(NAME).covers([NAME])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", pebble.http_port), timeout=20)


def test_a_ca_validates_an_address(at: Opened, pebble: Pebble):
    assert at(pebble, addresses=True, names="any").order("127.0.0.1").covers(["127.0.0.1"])


def test_a_ca_is_not_asked_to_look_where_a_stranger_answers(at: Opened, pebble: Pebble, stranger: Stranger):
    orderer = at(pebble)
    stranger.port = pebble.http_port
    stranger.serve("location / { return 404; }")
    with pytest.raises(AnsweredByAnother) as caught:
        orderer.order(NAME)
    assert caught.value.failed == {NAME}
    assert caught.value.retry_at != AT
    assert pebble.requests("/chalZ/") == []
