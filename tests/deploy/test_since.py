"""Since when something is wrong at an address is one instant, whichever module was looked at first."""

from dataclasses import replace
from datetime import timedelta

from agent.engine.recheck import Recheck
from agent.errors.problem import rfc3339
from support.ports import free_port
from support.told import told

STOPPED = "deploy.service_stopped"


def test_modules_of_one_service_that_stopped_tell_the_same_instant(appliance):
    appliance.drop_in("shared")
    port = free_port()
    modules = "".join(f'[modules.{name}]\nport = {port}\nsites = ["{name}.test"]\n' for name in ("front", "side"))
    appliance.settings(f'hostname = "gw"\nplugins.shared.enabled = true\n[services.toyd]\nport = {port}\n{modules}')
    appliance.apply()
    appliance.start("toyd", appliance.layout.service("toyd").live / "entry.conf")
    appliance.engine().apply(wait=0, recheck=Recheck.ALL)
    assert told(appliance) == []
    with appliance.store() as store, store.write():
        later = [each for each in store.endpoints.all() if each.module == "front"]
        store.endpoints.update([replace(each, next_at=each.checked_at + timedelta(hours=9)) for each in later])
    appliance.stop("toyd")
    appliance.clock.advance(minutes=20)
    appliance.apply()
    began = {each.module: each.wrong_since for each in appliance.records()}
    assert began["front"] is None
    appliance.clock.advance(minutes=7)
    appliance.engine().apply(wait=0, recheck=Recheck.ALL)
    assert {each.wrong_since for each in appliance.records()} == {began["side"]}
    found = [each for each in told(appliance) if each["problem"]["code"] == STOPPED]
    assert found
    assert {each["since"] for each in found} == {rfc3339(began["side"])}
    assert len({each["problem"]["cause"] for each in found}) == 1
    assert f"since {rfc3339(began['side'])}" in found[0]["problem"]["cause"]
