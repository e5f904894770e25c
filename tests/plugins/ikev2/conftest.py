"""IKEv2 on a real charon."""

from collections.abc import Iterator

import pytest

from support.appliances.ikev2 import IKEv2Appliance
from support.appliances.ikev2_pair import Pair, connected


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


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A head office and a branch that are connected."""
    with connected() as made:
        yield made
