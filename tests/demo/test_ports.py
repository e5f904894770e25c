"""Ports of the demo: free for the protocol that they are for, and nobody's by the settings."""

import os
import socket
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from agent.demo.ca import CA, configured_ports
from agent.demo.configured import claimed_ports
from agent.demo.files import prepare
from agent.demo.modules import OFFERS
from agent.demo.ports import ANYWHERE, Place, Transport, choose_ports
from agent.demo.processes import end_all
from agent.system.layout import Layout
from support.ports import free_port

UDP, TCP = (Transport.UDP,), (Transport.TCP,)
SOMETHING = "/bin/true"
"""A program that is on every machine."""
NO_CA = CA(program="no-such-program")
PROXY, PORTAL = ({each.module: each for each in OFFERS}[name] for name in ("reverse_proxy", "web_auth"))


@contextmanager
def taken(port: int, kind: socket.SocketKind, address: str = "127.0.0.1"):
    with closing(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind((address, port))
        if kind is socket.SOCK_STREAM:
            other.listen()
        yield


@pytest.mark.parametrize(
    ("kind", "transports", "free"),
    [
        (socket.SOCK_DGRAM, UDP, False),
        (socket.SOCK_DGRAM, TCP, True),
        (socket.SOCK_STREAM, UDP, True),
        (socket.SOCK_STREAM, TCP, False),
        (socket.SOCK_STREAM, (*UDP, *TCP), False),
        (socket.SOCK_DGRAM, (*TCP, *UDP), False),
    ],
)
def test_a_port_is_taken_by_who_uses_its_protocol(kind, transports, free):
    port = free_port()
    with taken(port, kind):
        (chosen,) = choose_ports([Place(port, transports=transports)])
    assert (chosen == port) is free


@pytest.mark.parametrize(
    ("address", "addresses"), [("::1", ANYWHERE), ("127.0.0.1", ANYWHERE), ("::1", ("127.0.0.1",))]
)
def test_a_service_that_binds_every_address_needs_a_port_that_is_free_at_each(address, addresses):
    port = free_port()
    with taken(port, socket.SOCK_DGRAM, address):
        (chosen,) = choose_ports([Place(port, addresses, UDP)])
    assert (chosen == port) is (addresses != ANYWHERE)


def test_the_ports_of_one_choice_differ_and_none_is_claimed():
    port = free_port()
    first, second, third = choose_ports([Place(port), Place(port), Place(0)], {port})
    assert len({first, second, third, port}) == 4


def test_charon_s_ports_are_free_for_udp_at_every_address():
    (ike,) = (each for each in OFFERS if each.module == "ikev2")
    assert {(each.addresses, each.transports) for each in ike.places} == {(ANYWHERE, UDP)}


# Whatever comes to the machine later


def settings_of(layout: Layout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in layout.conf_d.iterdir()}


def offered(*modules):
    """The modules on a machine that has their programs, with ports that no other test takes."""
    return [
        replace(each, program=SOMETHING, places=tuple(replace(place, port=free_port()) for place in each.places))
        for each in modules
    ]


def test_a_service_that_comes_later_gets_the_settings_that_it_would_have_had_at_first(tmp_path):
    proxy, portal = offered(PROXY, PORTAL)
    http, directory, dns = free_port(), free_port(), free_port()
    ca = CA(SOMETHING, SOMETHING, places=(Place(directory), Place(dns), Place(http)))
    port = free_port()
    bare, whole = Layout(tmp_path / "bare"), Layout(tmp_path / "whole")
    prepare(bare, port, (), ca)
    kept = settings_of(bare)
    prepare(bare, None, (proxy,), ca)
    prepare(bare, None, (proxy, portal), ca)
    prepare(whole, port, (proxy, portal), ca)
    assert {name: text for name, text in settings_of(bare).items() if name in kept} == kept
    assert settings_of(bare).keys() == settings_of(whole).keys()
    for layout in (bare, whole):
        text = (layout.conf_d / "reverse_proxy.toml").read_text()
        assert f'listen_http = "127.0.0.1:{configured_ports(layout).http}"' in text, "where the CA looks for answers"
        assert f'listen = "127.0.0.1:{proxy.places[0].port}"' in (layout.conf_d / "web_auth.toml").read_text()


def test_a_port_of_another_module_that_nobody_serves_yet_is_not_given_away(tmp_path):
    (proxy,) = offered(PROXY)
    layout = Layout(tmp_path)
    prepare(layout, proxy.places[0].port, (), NO_CA)
    prepare(layout, None, (proxy,), NO_CA)
    text = (layout.conf_d / "reverse_proxy.toml").read_text()
    assert f"127.0.0.1:{proxy.places[0].port}" not in text
    assert f"127.0.0.1:{proxy.places[1].port}" in text


def test_settings_that_can_not_be_read_claim_nothing(tmp_path):
    layout = Layout(tmp_path)
    layout.conf_d.mkdir(parents=True)
    (layout.conf_d / "a.toml").write_text('x = "127.0.0.1:70"\nport = 71\nlist = ["[::1]:72", "x"]\nsupport = 73\n')
    (layout.conf_d / "b.toml").write_text("nonsense")
    (layout.conf_d / "reverse_proxy.toml").write_text("modules = 1\n")
    assert claimed_ports(layout) == {70, 71, 72}
    (portal,) = offered(PORTAL)
    prepare(layout, free_port(), (portal,), NO_CA)
    assert f"127.0.0.1:{portal.places[0].port}" in (layout.conf_d / "web_auth.toml").read_text()


def test_files_that_go_while_the_demo_ends_are_no_mistake(tmp_path):
    layout = Layout(tmp_path)
    layout.run.mkdir(parents=True)

    def come_and_go() -> None:
        for _ in range(300):
            for number in range(8):
                os.mkfifo(layout.run / f"{number}.pipe")
            for number in range(8):
                (layout.run / f"{number}.pipe").unlink(missing_ok=True)

    thread, interval = threading.Thread(target=come_and_go), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # seconds: between any two system calls
    thread.start()
    try:
        while thread.is_alive():
            end_all(layout)
    finally:
        thread.join()
        sys.setswitchinterval(interval)
