"""Appliances whose API answers."""

import pytest

from support.appliances.api import box_at
from support.appliances.deployed import Deployed


@pytest.fixture
def box(appliance):
    """One for a test that changes it."""
    yield from box_at(appliance)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One for all tests of a file: they only look, or what they change is nobody else's."""
    yield from _of_a_file(tmp_path_factory)


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """The same, whose administrator logged in five minutes ago."""
    for box in _of_a_file(tmp_path_factory):
        box.api.advance(minutes=5)
        yield box


def _of_a_file(tmp_path_factory):
    appliance = Deployed(tmp_path_factory.mktemp("box"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", appliance.path)
        yield from box_at(appliance)
    appliance.close()
