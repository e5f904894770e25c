"""nginx in front of TLS-ALPN-01: challenges reach the agent, everything else the sites, with the client's address."""

import re
import subprocess
import threading
from collections.abc import Iterator

import pytest

from agent.model.deployment import Outcome
from agent.sources.acme.tls_alpn01 import SOCKET
from agent.system.layout import Layout
from plugins.nginx.front import acme_socket
from plugins.nginx.service import Nginx
from support.appliances.certified import Certified
from support.appliances.proxied import OWN, SITES, Proxied
from support.clients.http import answer
from support.servers.local import listening

ALPN = {"challenges": ["tls-alpn-01"]}


def front(port: int) -> list[str]:
    return [f"127.0.0.1:{port}", f"[::1]:{port}"]


@pytest.fixture
def upstream() -> Iterator[int]:
    with listening(answer) as there:
        yield there.port


class Fronted(Certified):
    """Its nginx has the port at which the CA looks, over both families."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.port = self.ca.tls_port
        self.acme = {**ALPN, "tls_port": self.port}
        self.module = {"listen": front(self.port)}
        self.service = {**OWN, "start": True, "tls_alpn": front(self.port)}


@pytest.fixture
def fronted(pebble_with, upstream) -> Iterator[Fronted]:
    with Fronted.make(ca=pebble_with(), upstream=f"http://127.0.0.1:{upstream}", sites=SITES) as box:
        box.configure()
        yield box


def fetch(box: Proxied, site: str, *more: str, host: str = "127.0.0.1") -> str:
    argv = ["curl", "-sk", "--http2", "--resolve", f"{site}:{box.port}:{host}", *more, f"https://{site}:{box.port}/"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True).stdout


def test_orders_go_through_while_clients_with_http_2_are_served(fronted):
    fronted.apply()
    assert fronted.sources() == dict.fromkeys(SITES, "acme")
    fronted.assert_certified(*SITES)
    assert fronted.deployment("reverse_proxy").outcome is Outcome.LIVE
    seen, done = [], threading.Event()

    # A worker of nginx that ends at a reload closes connections of HTTP/2 on which nothing was asked yet: clients ask again.
    again = ["--retry", "5", "--retry-delay", "1", "--retry-all-errors"]

    def ask() -> None:
        while not done.is_set():
            seen.append(fetch(fronted, SITES[0], *again, "-w", "%{http_version}"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        fronted.configure(sites=[*SITES, "d.example.test"])
        fronted.apply()
    finally:
        done.set()
        asking.join()
    assert fronted.sources()["d.example.test"] == "acme"
    assert seen
    assert all(text.endswith("2") and "Host: a.example.test" in text for text in seen)


@pytest.mark.parametrize(("host", "client"), [("127.0.0.1", "127.0.0.9"), ("[::1]", "::1")])
def test_the_upstream_is_told_the_client_s_address_and_the_port(fronted, host, client):
    fronted.apply()
    more = ["--interface", client] if client != "::1" else []
    text = fetch(fronted, SITES[0], *more, host=host)
    heads = dict(re.findall(r"(?m)^(X-[A-Za-z-]+|Host): (.*?)\r?$", text))
    assert heads["X-Real-IP"] == heads["X-Forwarded-For"] == client
    assert heads["X-Forwarded-Port"] == str(fronted.port)
    assert heads["Host"] == f"{SITES[0]}:{fronted.port}"


def test_a_client_that_says_itself_where_it_comes_from_is_not_believed(fronted):
    fronted.apply()
    with pytest.raises(subprocess.CalledProcessError):
        fetch(fronted, SITES[0], "--haproxy-protocol")
    assert "X-Real-IP: 127.0.0.1" in fetch(fronted, SITES[0])


def test_names_that_nobody_has_are_refused_behind_it_too(fronted):
    fronted.apply()
    assert fronted.seen("unknown.example.test")[0] == ""


def test_it_is_switched_on_and_off_by_a_reload(pebble_with):
    with Fronted.make(ca=pebble_with()) as box:
        box.acme = {"tls_port": box.port}
        box.service = {**OWN, "start": True}
        box.configure()
        box.apply()
        for setting in (front(box.port), []):
            box.configure(service={**OWN, "start": True, "tls_alpn": setting})
            box.apply()
            assert box.deployment("reverse_proxy").outcome is Outcome.LIVE, box.deployment("reverse_proxy").problem
            box.assert_certified(SITES[0])


def test_it_starts_again_after_it_was_killed(fronted):
    fronted.apply()
    fronted.kill()
    fronted.clock.advance(minutes=16)
    fronted.apply()
    fronted.assert_certified(*SITES)


def test_without_the_module_the_cure_says_how_to_get_it():
    with Proxied.make() as box:
        where = [f"127.0.0.1:{box.port}"]
        box.configure(service={**OWN, "tls_alpn": where, "stream_module": f"{box.root}/ngx_stream_module.so"})
        box.apply()
        problem = box.deployment("reverse_proxy").problem
        assert problem.fix.startswith("Install nginx's stream module (Debian: apt install libnginx-mod-stream), set")
        box.configure(service={**OWN, "tls_alpn": where, "stream_module": ""})
        box.apply()
        fix = box.deployment("reverse_proxy").problem.fix
        assert fix.startswith("Let stream_module in [services.nginx] name the file of nginx's stream module")


def test_true_is_port_443_everywhere_and_the_administrator_s_main_file_can_not_have_it():
    assert [str(each) for each in Nginx(main="own", tls_alpn=True).tls_alpn] == ["0.0.0.0:443", "[::]:443"]
    assert Nginx(tls_alpn=False).tls_alpn == ()
    with pytest.raises(
        ValueError, match=r'tls_alpn is for main = "own": its stream \{ \} stands beside the http \{ \}'
    ):
        Nginx(tls_alpn=True)


def test_nginx_and_the_agent_mean_the_same_socket(tmp_path):
    layout = Layout(tmp_path)
    assert acme_socket(layout.service("nginx")) == layout.run / SOCKET
