"""Appliances that the tests of the agent's processes share."""

from __future__ import annotations

import pytest

from support.appliances.idle import configure
from support.ports import free_port


@pytest.fixture
def idle(appliance):
    """An appliance with a module whose daemon doesn't run; nothing has been deployed yet."""
    appliance.drop_in("tunnel")
    appliance.port = free_port()
    configure(appliance)
    return appliance


@pytest.fixture
def patient(idle):
    """An appliance with a source that delivers when `<root>/gate` is there."""
    idle.drop_in("patient")
    gate = idle.root / "gate"
    more = f'[modules.second]\nplugin = "tunnel"\nport = {idle.port}\ndomain = "s.example.test"\n'
    configure(idle, sources='"patient", "local"', more=f'{more}[source.patient]\ngate = "{gate}"\n')
    return idle
