"""Appliances with everything that a backup carries, and the backup of one."""

import pytest

from support.appliances.carried import backed_up


@pytest.fixture
def file(tunnel):
    """A backup of the appliance `tunnel`."""
    return backed_up(tunnel)
