"""The reverse proxy from settings to the wire: the whole core on a real nginx."""

import json
import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise

import pytest

from agent.model.deployment import Outcome
from support.appliances.proxied import SITES, Proxied
from support.servers.local import listening
from support.waiting import until


def test_each_site_is_served_with_its_own_chain(serving):
    serving.assert_served(*SITES)
    assert len(set(serving.chains().values())) == 3


def test_new_chains_for_all_sites_cost_one_test_and_one_reload(serving):
    before = serving.chains()
    serving.renew()
    serving.apply()
    assert set(before.values()).isdisjoint(serving.chains().values())
    serving.assert_served(*SITES)
    assert [str(action).split()[0] for action in serving.runner.acted] == ["/usr/sbin/nginx", "SIGHUP"]


def test_a_pass_with_nothing_to_do_runs_nothing(serving):
    assert serving.apply().performed == ()
    assert serving.runner.acted == []


# Connections across a switch


def read_head(stream: socket.socket) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = stream.recv(1)
        assert byte, head
        head += byte
    return head


class Trickle:
    """An upstream whose answer goes on until it is told to end; each line has its number."""

    def __init__(self) -> None:
        self.ending = threading.Event()

    def answer(self, connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        number = 0
        while not self.ending.wait(0.01):
            connection.sendall(b"%7d\n" % number * 256)
            number += 1
        connection.sendall(b"end\n")


def answer(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")


def test_a_long_download_goes_on_across_two_switches(serving):
    trickle = Trickle()
    with ExitStack() as stack:
        upstream = stack.enter_context(listening(trickle.answer))
        stack.callback(trickle.ending.set)
        serving.configure(upstream=f"http://127.0.0.1:{upstream.port}")
        serving.apply()
        stream = stack.enter_context(serving.connect(SITES[0]))
        stream.sendall(f"GET / HTTP/1.0\r\nHost: {SITES[0]}\r\n\r\n".encode())
        read_head(stream)
        for _ in range(2):
            serving.renew()
            serving.apply()
            assert stream.recv(100)
        serving.assert_served(*SITES)
        trickle.ending.set()
        rest = stream.makefile("rb").read()
    assert rest.endswith(b"end\n")
    numbers = [int(line) for line in rest.splitlines()[1:-1]]
    assert all(later - earlier in {0, 1} for earlier, later in pairwise(numbers)), numbers


@pytest.fixture
def greeting(serving) -> Iterator[Proxied]:
    """The sites have an upstream that answers."""
    with listening(answer) as upstream:
        serving.configure(upstream=f"http://127.0.0.1:{upstream.port}")
        serving.apply()
        yield serving


def greet(stream: socket.socket) -> bytes:
    stream.sendall(f"GET / HTTP/1.1\r\nHost: {SITES[0]}\r\n\r\n".encode())
    head = read_head(stream)
    assert stream.recv(100) == b"hello"
    return head


def test_a_request_that_began_before_the_switch_on_a_kept_connection_is_answered_after_it(greeting):
    with greeting.connect(SITES[0]) as stream:
        assert b"Connection: keep-alive" in greet(stream)
        stream.sendall(b"GET / HTTP/1.1\r\n")
        greeting.renew()
        greeting.apply()
        stream.sendall(f"Host: {SITES[0]}\r\n\r\n".encode())
        assert b"200 OK" in read_head(stream)
        assert stream.recv(100) == b"hello"


def test_an_idle_kept_connection_is_ended_in_order_and_never_reset(greeting):
    with greeting.connect(SITES[0]) as stream:
        greet(stream)
        greeting.renew()
        greeting.apply()
        assert stream.recv(100) == b""  # a reset would raise, and so would an end without close_notify


def visit(box: Proxied, name: str, stop: threading.Event, results: list[str]) -> None:
    while not stop.is_set():
        try:
            with box.connect(name) as stream:
                results.append("handshake")
                stream.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                results.append(stream.makefile("rb").read().decode().rpartition("\n")[2])
        except OSError as error:
            results.append(f"{name}: {error!r}")


def test_no_handshake_and_no_request_fails_under_load_over_five_switches(greeting):
    results: list[str] = []
    stop = threading.Event()
    visitors = [threading.Thread(target=visit, args=[greeting, name, stop, results]) for name in SITES]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(5):
            before = greeting.chains()
            greeting.renew()
            greeting.apply()
            assert set(before.values()).isdisjoint(greeting.chains().values())
            greeting.assert_served(*SITES)
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join(30)
    counts = Counter(results)
    assert set(counts) == {"handshake", "hello"}
    assert counts["handshake"] == counts["hello"]


# The generation's number


@pytest.fixture
def deaf(serving) -> Iterator[Proxied]:
    """Serving, but nginx's master does not hear of a reload until it is continued."""
    os.kill(serving.master, signal.SIGSTOP)
    yield serving
    os.kill(serving.master, signal.SIGCONT)


def test_a_change_of_configuration_alone_that_nginx_did_not_take_is_seen_and_taken_back(deaf):
    generation = deaf.live("reverse_proxy")
    deaf.configure(module={"max_body_mb": 7})
    deaf.apply()
    deployment = deaf.deployment("reverse_proxy")
    assert deployment.outcome is Outcome.ROLLED_BACK
    assert "\n".join(deployment.problem.lines()) == (
        f"127.0.0.1:{deaf.port} (a.example.test) gives no proper answer: the generation can't be read from "
        f"unix:{deaf.layout.run}/reverse_proxy-2-generation.sock: nobody listens there (no such socket).\n"
        "The previous generation was put back, and was seen to be served. The refused files are in "
        f"{deaf.layout.module('reverse_proxy').state}/refused until the next try. "
        "Look at the service's log, then: chainwright renew"
    )
    assert deaf.live("reverse_proxy") == generation
    deaf.assert_served(*SITES)


def test_a_new_chain_that_nginx_did_not_take_is_seen_and_taken_back(deaf):
    live = {name: deaf.seen(name) for name in SITES}
    deaf.renew()
    deaf.apply()
    deployment = deaf.deployment("reverse_proxy")
    assert deployment.outcome is Outcome.ROLLED_BACK
    assert deployment.problem.code == "deploy.wrong_chain"
    assert {name: deaf.seen(name)[0] for name in SITES} == {name: seen[0] for name, seen in live.items()}


def test_when_nginx_hears_again_the_change_is_taken_after_the_back_off(deaf):
    deaf.configure(module={"max_body_mb": 7})
    deaf.apply()
    os.kill(deaf.master, signal.SIGCONT)
    deaf.clock.advance(minutes=2)
    deaf.apply()
    assert deaf.deployment("reverse_proxy").outcome is Outcome.LIVE
    assert "client_max_body_size 7m" in (deaf.live("reverse_proxy") / "sites" / f"{SITES[0]}.conf").read_text()
    assert shown_generation(deaf) == int(deaf.live("reverse_proxy").name)
    deaf.assert_served(*SITES)


def shown_generation(box: Proxied) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        (path,) = box.layout.run.glob("reverse_proxy-*-generation.sock")
        client.connect(str(path))
        client.sendall(b"GET /generation HTTP/1.0\r\n\r\n")
        body = client.makefile("rb").read().rpartition(b"\r\n")[2]
    return json.loads(body)["generation"]


# Sites and modules that go


def test_a_site_that_is_removed_leaves_no_key_in_service(serving):
    serving.configure(sites=SITES[:2])
    serving.apply()
    keys = serving.live("reverse_proxy").glob("sites/*.key.pem")
    assert sorted(path.name.removesuffix(".key.pem") for path in keys) == [*SITES[:2]]
    serving.assert_served(*SITES[:2])
    assert serving.seen(SITES[2])[0] == ""


SECOND = """
[modules.other]
plugin = "reverse_proxy"
listen = "127.0.0.1:{port}"
listen_http = []
enabled = {enabled}
[[modules.other.sites]]
domains = ["z.example.test"]
upstream = "http://127.0.0.1:9"
"""


def test_a_module_that_is_disabled_is_taken_out_of_nginx_with_its_keys_and_the_others_go_on(serving):
    serving.configure(more=SECOND.format(port=serving.port, enabled="true"))
    serving.apply()
    with serving.store() as store:
        other = next(each.chain for each in store.modules.bindings() if each.module == "other")
    assert serving.seen("z.example.test") == (other, "0 (ok)")
    serving.configure(more=SECOND.format(port=serving.port, enabled="false"))
    serving.apply()
    assert "/other/" not in (serving.layout.service("nginx").live / "http.conf").read_text()
    assert list(serving.layout.module("other").state.glob("**/key.pem")) == []
    until(lambda: serving.seen("z.example.test")[0] == "", what="nginx has let go of it")
    serving.assert_served(*SITES)
    assert serving.apply().performed == ()


def test_when_the_only_module_is_disabled_nginx_serves_it_no_more(serving):
    serving.configure(module={"enabled": False})
    serving.apply()
    until(lambda: serving.seen(SITES[0])[0] == "", what="nginx has let go of it")
    assert list(serving.layout.module("reverse_proxy").state.glob("**/key.pem")) == []
    serving.configure(module={})
    serving.apply()
    serving.assert_served(*SITES)
