"""Where an endpoint is looked at whose service listens at more than one address."""

from pathlib import Path

from agent.contract.endpoint import Address, Endpoint
from agent.probing.addresses import MOST, first_address, further_addresses

OWN = ("127.0.0.1", "192.0.2.7", "::1", "2001:db8::7")


def places(endpoint: Endpoint, own: tuple[str, ...] = OWN) -> list[str]:
    return [str(each.address) for each in (first_address(endpoint, own), *further_addresses(endpoint, own))]


def test_an_address_is_itself():
    assert places(Endpoint(host="192.0.2.7", port=443)) == ["192.0.2.7:443"]


def test_a_wildcard_is_each_address_of_its_family_the_loopback_first():
    assert places(Endpoint(host="0.0.0.0", port=443)) == ["127.0.0.1:443", "192.0.2.7:443"]
    assert places(Endpoint(host="::", port=443)) == ["[::1]:443", "[2001:db8::7]:443"]


def test_an_empty_host_is_each_address():
    assert places(Endpoint(host="", port=443)) == [
        "127.0.0.1:443",
        "192.0.2.7:443",
        "[::1]:443",
        "[2001:db8::7]:443",
    ]


def test_further_addresses_may_be_wildcards_too_and_none_is_looked_at_twice():
    others = (Address(host="::", port=443), Address(host="192.0.2.7", port=443), Address(host="127.0.0.1", port=8443))
    assert places(Endpoint(host="0.0.0.0", port=443, others=others)) == [
        "127.0.0.1:443",
        "192.0.2.7:443",
        "[::1]:443",
        "[2001:db8::7]:443",
        "127.0.0.1:8443",
    ]


def test_of_many_addresses_the_first_are_looked_at():
    own = tuple(f"10.0.{high}.{low}" for high in range(4) for low in range(250))
    assert len(places(Endpoint(host="0.0.0.0", port=443), own)) == MOST


def test_a_unix_socket_has_one_place():
    assert places(Endpoint(path=Path("/run/charon.vici"), host="")) == ["unix:/run/charon.vici"]


def test_a_service_that_leaves_the_loopback_out_is_judged_by_the_first_address_of_its_interfaces():
    endpoint = Endpoint(host="", port=500, interfaces=("eth0",))
    assert places(endpoint, ("192.0.2.7", "2001:db8::7")) == ["192.0.2.7:500", "[2001:db8::7]:500"]
    assert places(endpoint, ("2001:db8::7",)) == ["[2001:db8::7]:500"]


def test_on_a_host_without_ipv6_nothing_is_looked_at_over_it():
    assert places(Endpoint(host="", port=500), ("127.0.0.1", "192.0.2.7")) == ["127.0.0.1:500", "192.0.2.7:500"]
