"""Servers of an administrator that contradict the agent's are named with file, line and cure, by what the real nginx does."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.engine.recheck import Recheck
from agent.testing.appliance import short_directory
from plugins.nginx.configuration import Reader
from plugins.nginx.cures import cure_for
from plugins.nginx.diagnose import findings
from plugins.nginx.servers import servers
from support.appliances.proxied import NGINX, SITES, TEMPORARY, Proxied
from support.cas import certificates as toy_ca
from support.clients.terminal import Terminal
from support.ports import free_port
from support.told import codes, told
from support.waiting import until

A = SITES[0]
AGAIN = ", then: chainwright apply"


def server(*lines: str) -> str:
    return "server {\n" + "".join(f"    {line};\n" for line in lines) + "}\n"


@dataclass
class Both:
    """Configuration of an administrator's own, with a file in place of the agent's."""

    root: Path

    def __post_init__(self) -> None:
        self.port = free_port()
        self.main = self.root / "nginx.conf"
        self.ours, self.before, self.after = (
            self.root / name for name in ("ours/http.conf", "conf.d/a.conf", "conf.d/z.conf")
        )
        self.ours.parent.mkdir()
        self.after.parent.mkdir()
        (self.root / "conf.d/chainwright.conf").write_text(f'include "{self.ours.parent}/*.con[f]";\n')
        temporary = " ".join(f"{kind}_temp_path {self.root}/{kind};" for kind in TEMPORARY)
        self.main.write_text(
            f"pid {self.root}/pid;\nerror_log {self.root}/log;\nevents {{ }}\n"
            f"http {{ access_log off; {temporary}\n    include conf.d/*.conf;\n}}\n"
        )
        root = toy_ca.root("Their CA", now=datetime.now(UTC))
        self.pem = self.root / "pem"
        self.pem.write_bytes(toy_ca.key_pem(root.key) + toy_ca.pem(root.certificate))

    def nginx(self, *options: str) -> subprocess.CompletedProcess[str]:
        argv = [NGINX, "-e", "stderr", *options, "-c", str(self.main)]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)

    def tested(self) -> tuple[int, str]:
        done = self.nginx("-t")
        return done.returncode, done.stderr

    def found(self) -> list[tuple[str, str, str]]:
        rows = findings(self.main, self.ours.parent)
        return [(each["finding"], each["why"], each["fix"]) for each in rows]


@pytest.fixture
def both() -> Iterator[Both]:
    with short_directory() as root:
        yield Both(root)


def test_servers_that_do_not_touch_each_other_are_let_be(both):
    both.ours.write_text(server(f"listen 0.0.0.0:{both.port}", f"listen [::]:{both.port}", "server_name a.test"))
    both.after.write_text(
        server(f"listen {both.port} default_server", f"listen [::]:{both.port} default_server", "server_name _")
        + server("listen unix:/nowhere/socket", "server_name a.test")
        + server(f"listen {both.port}", r"server_name b.test ~^(?<user>.+)\.net$")
    )
    assert both.found() == []


def test_of_two_servers_with_one_name_the_later_one_is_named_whose_ever_it_is(both):
    names = "server_name\n        x.test  # also\n        'A.test'"
    both.ours.write_text(server(f"listen {both.port}", f"listen [::]:{both.port}", "server_name a.test b.test"))
    both.before.write_text(server(f"listen {both.port}", names, f"listen [::]:{both.port}"))
    both.after.write_text("\n\n" + server(f"listen *:{both.port}", "server_name b.test"))
    where = f"0.0.0.0:{both.port}"
    first = (
        f"nginx serves a.test at {where} and [::]:{both.port} as {both.before}:3 says, and ignores Chainwright's server"
    )
    second = f"nginx ignores the b.test of {both.after}:5 at {where}, as Chainwright's server comes before it"
    cure = "Take {} out of {}, or out of Chainwright's settings" + AGAIN
    assert both.found() == [
        ("error", f"{first}, which comes after it", cure.format("a.test", f"{both.before}:3")),
        ("warning", second, cure.format("b.test", f"{both.after}:5")),
    ]
    code, said = both.tested()
    assert code == 0
    assert [each.partition("[warn] ")[2].partition(": ")[2] for each in said.splitlines() if "[warn]" in each] == [
        f'conflicting server name "{name}" on {where}, ignored'
        for name, where in (
            ("a.test", f"0.0.0.0:{both.port}"),
            ("b.test", f"0.0.0.0:{both.port}"),
            ("a.test", f"[::]:{both.port}"),
        )
    ]


def test_a_socket_of_ipv6_that_takes_ipv4_too_keeps_nginx_down_and_no_test_says_so(both):
    both.ours.write_text(server(f"listen 0.0.0.0:{both.port}", "server_name a.test"))
    both.after.write_text(server(f"listen [::]:{both.port} ipv6only=off", "server_name b.test"))
    assert both.tested()[0] == 0
    taken = f"which takes the port of 0.0.0.0:{both.port} in {both.ours}:2 too"
    why = f"nginx would not start, though its test succeeds: {both.after}:2 has [::]:{both.port} with ipv6only=off, {taken}"
    assert both.found() == [("error", why, f"Take ipv6only=off out of {both.after}:2{AGAIN}")]
    started = both.nginx()
    assert started.returncode != 0
    assert f"bind() to [::]:{both.port} failed (98: Address already in use)" in started.stderr


@pytest.mark.parametrize("options", ["default_server", "backlog=99", "so_keepalive=on"])
def test_what_an_address_can_have_once_is_named_with_both_places(both, options):
    both.ours.write_text(server(f"listen 0.0.0.0:{both.port} {options}"))
    both.after.write_text("\n" + server(f"listen *:{both.port} {options}"))
    (found,) = both.found()
    what = (
        f"two default servers for 0.0.0.0:{both.port}"
        if options == "default_server"
        else f"the options of 0.0.0.0:{both.port} ({options}) in two places"
    )
    assert found[:2] == ("error", f"nginx refuses {what}: {both.ours}:2 and {both.after}:3")
    code, said = both.tested()
    assert code == 1
    assert f"in {both.after}:3" in said


def test_clients_of_an_address_that_they_name_get_theirs_alone_and_nginx_is_silent(both):
    both.ours.write_text(server(f"listen 0.0.0.0:{both.port}", "server_name a.test", "return 200 ours"))
    both.after.write_text(server(f"listen 127.0.0.1:{both.port}", "server_name a.test", "return 200 theirs"))
    where = f"127.0.0.1:{both.port}"
    everywhere = f"0.0.0.0:{both.port}"
    why = (
        f"Clients that connect to {where} get the servers of {both.after}:2 alone: Chainwright listens at {everywhere}"
    )
    cure = f"Add {where} to `listen` of the modules, or have {both.after}:2 say {everywhere}{AGAIN}"
    assert both.found() == [("notice", why, cure)]
    assert both.tested() == (0, both.tested()[1])
    assert "[warn]" not in both.tested()[1]
    assert both.nginx().returncode == 0
    try:
        with socket.create_connection(("127.0.0.1", both.port), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
            assert connection.makefile("rb").read().endswith(b"theirs")
    finally:
        both.nginx("-s", "stop")
        until(lambda: not (both.root / "pid").exists(), what="nginx has ended")
    both.after.write_text(server(f"listen 192.0.2.1:{both.port}", "server_name c.test"))
    assert [severity for severity, *_ in both.found()] == ["warning"]


def test_tls_and_plain_http_on_one_address_are_named(both):
    tls = (f"ssl_certificate {both.pem}", f"ssl_certificate_key {both.pem}")
    both.ours.write_text(server(f"listen 0.0.0.0:{both.port} ssl", "server_name a.test", *tls))
    both.after.write_text(server(f"listen {both.port}", "server_name b.test", *tls))
    assert both.tested()[0] == 0
    assert both.found() == [
        (
            "warning",
            f"{both.ours}:2 has TLS at 0.0.0.0:{both.port}, where {both.after}:2 has plain HTTP: nginx does TLS for both",
            f"Change the address of one of them{AGAIN}",
        )
    ]


def test_a_configuration_is_read_as_nginx_does(both):
    both.ours.write_text('server { listen "[::1]:8443" ssl; server_name "a.test" ; location / { return 200 "};{"; } }')
    both.after.write_text(
        "map $host $x { default '#;{'; }\nserver { listen localhost:81; server_name ${x}.test b.test; # ; }\n}\n"
        "include a-directory-that-is-not-there/*.conf;\ninclude nginx.conf;\n"
    )
    found = list(servers(Reader(both.main).read(), f"{both.ours.parent}/"))
    assert [([str(each) for each in one.listens], [name for name, _ in one.names], one.ours) for one in found] == [
        (["[::1]:8443"], ["a.test"], True),
        (["localhost:81"], ["${x}.test", "b.test"], False),
    ]


def test_a_file_that_is_garbage_or_gone_is_no_reason_to_fail(both):
    both.main.write_bytes(b'http { server { listen "8' + bytes(range(256)))
    assert both.found() == []
    both.main.unlink()
    assert both.found() == []


# What nginx says, and the cure

HASH = "server_names_hash_max_size 131072 and server_names_hash_bucket_size 512 in MAIN, or hash_sizes = true in [services.nginx]"

OFF = "or set hash_sizes = false in [services.nginx] (the second one is in {main}:5)"


@pytest.mark.parametrize(
    ("of_http", "listen", "cure"),
    [
        ("server_names_hash_bucket_size 32;", "{port}", f"Set {HASH}"),
        ("server_names_hash_max_size 1;", "{port}", f"Set {HASH}"),
        ("types_hash_max_size 1;", "{port}", "Set types_hash_max_size and types_hash_bucket_size higher in MAIN"),
        (
            "variables_hash_max_size 1;",
            "{port}",
            "Set variables_hash_max_size and variables_hash_bucket_size higher in MAIN",
        ),
        (
            "server_names_hash_max_size 1; server_names_hash_max_size 1;",
            "{port}",
            f"Take server_names_hash_max_size out of MAIN, {OFF}",
        ),
        ("", "192.0.2.1:{port}", "Give this machine the address 192.0.2.1:{port}, or take it out of the settings"),
    ],
)
def test_what_nginx_says_without_a_file_has_a_cure(both, of_http, listen, cure):
    where = f"listen {listen.format(port=both.port)}"
    size = 60 if "bucket_size" in of_http and "max_size" not in of_http else 20
    both.ours.write_text(
        server(where, f"server_name one.{'x' * size}.test") + server(where, "server_name two.test a.test")
    )
    both.main.write_text(
        both.main.read_text().replace(
            "    include conf.d", f"{of_http} include /etc/nginx/mime.types;\n include conf.d"
        )
    )
    _, said = both.tested()
    assert cure_for(said, "MAIN") == cure.format(port=both.port, main=both.main), said


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        (
            "a duplicate default server for 0.0.0.0:443 in /a:3",
            "Leave default_server at 0.0.0.0:443 to one server: /a:3 has it a second time",
        ),
        (
            "duplicate listen options for [::]:443 in /a:3",
            "Leave the options of [::]:443 to one `listen`: /a:3 has them a second time",
        ),
        ('unknown directive "wrong" in /a:3', ""),
    ],
)
def test_of_two_places_it_names_the_second(said, cure):
    assert cure_for(f"nginx: [emerg] {said}\nnginx: configuration file test failed\n", "MAIN") == cure


def test_a_table_of_names_that_is_too_small_is_told_with_the_cure(included):
    text = included.main_file.read_text()
    included.main_file.write_text(
        text.replace("access_log off;", "access_log off; types_hash_max_size 1; include /etc/nginx/mime.types;")
    )
    included.apply(recheck=Recheck.ALL)
    (found,) = [each for each in told(included) if each["kind"] == "service"]
    assert found["problem"]["code"] == "deploy.check_warned"
    cure = "(Set types_hash_max_size and types_hash_bucket_size higher in /etc/nginx/nginx.conf)"
    assert "could not build optimal types_hash" in found["problem"]["cause"]
    assert cure in found["problem"]["cause"]


# Told by the agent


def clashes(box: Proxied) -> list[tuple[str, str, str]]:
    found = [each for each in told(box) if each["kind"] == "service"]
    assert {code for *_, code in codes(found)} <= {"deploy.clash"}
    return [(each["severity"], each["problem"]["cause"], each["problem"]["fix"]) for each in found]


def test_a_clash_is_told_after_a_deployment_and_at_each_look_until_it_is_mended(included):
    assert clashes(included) == []
    their = included.main_file.parent / "conf.d/their.conf"
    their.write_text(server(f"listen 127.0.0.1:{included.http_port}", f"server_name {A}", "return 404"))
    included.renew()
    included.apply()
    where = f"127.0.0.1:{included.http_port}"
    why = f"nginx ignores the {A} of {their}:3 at {where}, as Chainwright's server comes before it."
    expected = [("warning", why, f"Take {A} out of {their}:3, or out of Chainwright's settings{AGAIN}")]
    assert clashes(included) == expected
    assert why in Terminal(included.root).run("explain", "reverse_proxy").stdout
    their.unlink()
    included.apply(recheck=Recheck.ALL)
    assert clashes(included) == []
