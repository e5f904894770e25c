"""IKEv2 on a real charon."""

from collections.abc import Iterator

import pytest

from support.appliances.ikev2 import IKEv2Appliance


@pytest.fixture
def vpn() -> Iterator[IKEv2Appliance]:
    """An appliance with one connection for road warriors, not applied yet."""
    with IKEv2Appliance.make() as appliance:
        appliance.configure()
        yield appliance


@pytest.fixture
def serving(vpn) -> IKEv2Appliance:
    """A charon of its own serves it."""
    vpn.bring_up()
    return vpn
