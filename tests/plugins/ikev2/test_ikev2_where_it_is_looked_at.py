"""charon listens at every address of the host: it is looked at on each, and only on those of the interfaces that it serves."""

import pytest

from agent.system.addresses import UNUSABLE, addresses_by_interface, own_addresses
from support.appliances.ikev2 import IKEv2Appliance

pytestmark = pytest.mark.root


def looked_at(box: IKEv2Appliance) -> dict[str, bool]:
    return {each.address.rpartition(":")[0].strip("[]"): each.ok for each in box.records()}


def test_each_address_of_the_host_is_looked_at_over_ipv4_and_ipv6(vpn):
    vpn.configure()
    vpn.apply()
    vpn.assert_live()
    own = own_addresses(UNUSABLE)
    assert looked_at(vpn) == dict.fromkeys(own, True)
    assert [each.address for each in vpn.records() if not each.further] == [f"127.0.0.1:{vpn.port}"]


def test_only_the_interfaces_that_it_serves_are_looked_at(vpn):
    vpn.configure(service={"interfaces": ["lo"]})
    vpn.apply()
    vpn.assert_live()
    assert looked_at(vpn) == dict.fromkeys(addresses_by_interface(UNUSABLE)["lo"], True)
