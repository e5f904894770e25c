"""Settings of the appliance that tests of the agent's processes use: one module with a port."""

from __future__ import annotations

from support.appliances.deployed import Deployed

START = "the agent starts"


def configure(appliance: Deployed, *, interval: int = 900, more: str = "", sources: str = '"local"') -> None:
    appliance.settings(
        f'hostname = "gw"\nsources = [{sources}]\n[probe]\ntimeout = 3\ninterval = {interval}\n'
        f'[modules.tunnel]\nport = {appliance.port}\ndomain = "t.example.test"\n{more}\n'
    )
