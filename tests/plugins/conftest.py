"""Modules on their real services."""

from collections.abc import Iterator

import pytest

from support.appliances.mailed import Mailed
from support.appliances.nginx import NginxAppliance
from support.appliances.proxied import INCLUDED, Proxied
from support.clients.http import answer
from support.servers.local import listening


@pytest.fixture
def box() -> Iterator[NginxAppliance]:
    """Generations are made by hand, and nginx runs when a test starts it."""
    with NginxAppliance.make() as appliance:
        yield appliance


@pytest.fixture
def upstream() -> Iterator[int]:
    """The port of a server behind the proxy that says what it was asked."""
    with listening(answer) as running:
        yield running.port


@pytest.fixture
def proxied() -> Iterator[Proxied]:
    """An appliance with three sites, not applied yet."""
    with Proxied.make() as appliance:
        appliance.configure()
        yield appliance


@pytest.fixture
def serving(proxied) -> Proxied:
    """Three sites are served by the agent's own nginx."""
    proxied.bring_up()
    return proxied


@pytest.fixture
def included() -> Iterator[Proxied]:
    """Three sites are served by an nginx whose main file is the administrator's."""
    with Proxied.make(service=dict(INCLUDED)) as appliance:
        appliance.write_main_file()
        appliance.configure()
        appliance.bring_up()
        yield appliance


@pytest.fixture
def mailed() -> Iterator[Mailed]:
    """An appliance with mail under three names, not applied yet."""
    with Mailed.make() as appliance:
        appliance.configure()
        yield appliance


@pytest.fixture(scope="module")
def looked_at() -> Iterator[Mailed]:
    """The same for all tests of a file that only look."""
    with Mailed.make() as appliance:
        appliance.configure()
        appliance.bring_up()
        yield appliance


@pytest.fixture
def mailing(mailed) -> Mailed:
    """Mail is served by a postfix and a dovecot of the agent's own."""
    mailed.bring_up()
    return mailed
