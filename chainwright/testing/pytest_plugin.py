"""Fixtures for tests of plugins; pytest finds them by the entry point of the distribution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chainwright.testing import Appliance


@pytest.fixture
def appliance() -> Iterator[Appliance]:
    """A throw-away appliance: write its `settings`, then `apply`."""
    from chainwright.testing import Appliance

    with Appliance.make() as made:
        yield made
