"""Which connections are open at a time, and which one ends where a new one needs its place."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

import pytest

from agent.api.connection_limit import (
    LOCAL,
    NETWORK,
    ConnectionLimit,
    OpenConnection,
    Party,
    Places,
    party_of,
    tcp_pools,
)

POOLS = {LOCAL: Places(3, 3), NETWORK: Places(4, 2)}


class Clients:
    """Connections that come one after another."""

    def __init__(self) -> None:
        self.limit = ConnectionLimit(POOLS)
        self.ended: list[str] = []
        self._instants: Iterator[int] = iter(range(1000))

    def connect(self, name: str, *, key: object = None, pool: str = NETWORK, protected: bool = False) -> OpenConnection:
        party = Party(pool, key or name)
        made = OpenConnection(party, lambda: self.ended.append(name), float(next(self._instants)), protected)
        self.admitted = self.limit.admit(made)
        return made


@pytest.fixture
def clients() -> Clients:
    return Clients()


def test_one_address_has_a_few_places_and_its_own_longest_idle_connection_ends(clients: Clients):
    clients.connect("other")
    clients.connect("first", key="a")
    clients.connect("second", key="a")
    clients.connect("third", key="a")
    assert clients.ended == ["first"]
    assert clients.admitted


def test_in_all_the_longest_idle_one_ends_whose_ever_it_is(clients: Clients):
    first, *_ = [clients.connect(str(number)) for number in range(4)]
    first.used_at = 1000.0
    clients.connect("new")
    assert clients.ended == ["1"]


def test_one_that_answers_somebody_who_has_logged_in_does_not_end(clients: Clients):
    clients.connect("ann", protected=True)
    for number in range(20):
        clients.connect(str(number))
    assert "ann" not in clients.ended
    assert clients.admitted


def test_where_all_of_them_do_a_new_one_is_refused(clients: Clients):
    for number in range(4):
        clients.connect(str(number), protected=True)
    clients.connect("new")
    assert (clients.admitted, clients.ended) == (False, [])


def test_from_this_machine_there_is_always_a_place(clients: Clients):
    for number in range(100):
        clients.connect(str(number))
    ended = list(clients.ended)
    for number in range(3):
        clients.connect(f"local {number}", key=LOCAL, pool=LOCAL, protected=True)
    assert clients.ended == ended
    clients.connect("probe", key=LOCAL, pool=LOCAL)
    assert clients.admitted
    assert clients.ended == [*ended, "local 0"]


def test_a_place_that_was_left_is_free_and_leaving_twice_does_no_harm(clients: Clients):
    first = clients.connect("a")
    for _ in range(2):
        clients.limit.leave(first)
    for number in range(4):
        clients.connect(str(number))
    assert clients.ended == []


def test_without_a_file_descriptor_one_from_elsewhere_ends_first(clients: Clients):
    clients.connect("probe", key=LOCAL, pool=LOCAL)
    clients.connect("far")
    clients.limit.end_longest_idle()
    clients.limit.end_longest_idle()
    clients.limit.end_longest_idle()
    assert clients.ended == ["far", "probe"]


class Peer:
    """The two ends of a connection."""

    def __init__(self, peer: str, own: str) -> None:
        self._peer = peer
        self._own = own

    def getpeername(self) -> tuple[str, int]:
        return self._peer, 40000

    def getsockname(self) -> tuple[str, int]:
        return self._own, 8443


@pytest.mark.parametrize(
    ("peer", "own", "key"),
    [
        ("192.0.2.7", "192.0.2.1", "192.0.2.7"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.1", "192.0.2.7"),
        ("2001:db8:1:2::7", "2001:db8::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:a:b:c:d", "2001:db8::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::2%eth0", "fe80::/64"),
    ],
)
def test_a_party_on_the_network_is_an_address_or_the_network_that_ipv6_gives_one_client(peer, own, key):
    found = party_of(Peer(peer, own))
    assert (found.pool, str(found.key)) == (NETWORK, key)


@pytest.mark.parametrize(
    ("peer", "own"),
    [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("192.0.2.1", "192.0.2.1"), ("::ffff:127.0.0.1", "::ffff:127.0.0.1")],
)
def test_the_agent_s_probe_is_local_at_each_address_of_the_machine(peer, own):
    assert party_of(Peer(peer, own)).pool == LOCAL


def test_a_connection_whose_client_has_gone_is_nobody_s():
    with socket.socket() as unconnected, pytest.raises(OSError, match="not connected"):
        party_of(unconnected)


def test_places_fit_the_file_descriptors_of_the_process():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
        assert sum(each.in_all for each in tcp_pools().values()) <= 1024 - 256
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, before[1]))
        assert sum(each.in_all for each in tcp_pools().values()) <= 400 - 256
        assert tcp_pools()[LOCAL].in_all > 50
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
