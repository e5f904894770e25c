"""Activation windows on a service: what waits, what doesn't, and what is said of it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from agent.errors.problem import rfc3339
from agent.operations.reissue import reissue
from agent.operations.revocation import revoke_signed
from support.appliances.branching import HeadOffice
from support.appliances.deployed import Deployed, served
from support.clients.terminal import Terminal

NAME = "t.example.test"


def window(appliance: Deployed, opens_in: timedelta, zone: str = "UTC") -> str:
    """Return a window of an hour that opens in so long."""
    begin = (appliance.clock() + opens_in).astimezone(ZoneInfo(zone))
    return f"{begin:%H:%M}-{begin + timedelta(hours=1):%H:%M}{'' if zone == 'UTC' else f' {zone}'}"


def with_window(tunnel: Deployed, text: str) -> None:
    tunnel.settings(
        f'hostname = "gw"\n[probe]\ntimeout = 3\n[modules.tunnel]\nport = {tunnel.port}\ndomain = "{NAME}"\n'
        f'window = "{text}"\n'
    )
    tunnel.apply(windows=False)


def bound(appliance: Deployed) -> str:
    with appliance.store() as store:
        (binding,) = store.modules.bindings()
        return binding.chain or ""


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/St_Johns"])
def test_a_new_chain_waits_for_the_window_on_the_clock_of_its_zone(tunnel, zone):
    with_window(tunnel, window(tunnel, timedelta(hours=3), zone))
    before = served(tunnel.port, NAME)
    tunnel.change(reissue, [NAME])
    plan = tunnel.apply().plan
    assert bound(tunnel) != before
    assert served(tunnel.port, NAME) == before
    opens = plan.deferred["tunnel"]
    assert timedelta(hours=2, minutes=58) < opens - tunnel.clock() <= timedelta(hours=3)
    tunnel.clock.advance(hours=2)
    tunnel.apply()
    assert served(tunnel.port, NAME) == before
    tunnel.clock.advance(hours=1, minutes=5)
    assert tunnel.apply().plan.deferred == {}
    assert served(tunnel.port, NAME) == bound(tunnel) != before


def test_apply_now_does_not_wait(tunnel):
    with_window(tunnel, window(tunnel, timedelta(hours=3)))
    tunnel.change(reissue, [NAME])
    tunnel.apply()
    assert served(tunnel.port, NAME) != bound(tunnel)
    tunnel.apply(windows=False)
    assert served(tunnel.port, NAME) == bound(tunnel)


def test_a_chain_that_ends_before_the_window_opens_does_not_wait(tunnel):
    with_window(tunnel, window(tunnel, timedelta(hours=3)))
    before = served(tunnel.port, NAME)
    tunnel.clock.advance(days=89, hours=23)
    tunnel.apply()
    assert served(tunnel.port, NAME) == bound(tunnel) != before


def test_a_chain_that_is_revoked_does_not_wait(tunnel):
    with_window(tunnel, window(tunnel, timedelta(hours=3)))
    before = served(tunnel.port, NAME)
    with tunnel.store() as store:
        serial = next(each.serial for each in store.chains.records() if each.id == before)
    tunnel.change(revoke_signed, serial)
    tunnel.apply()
    assert served(tunnel.port, NAME) == bound(tunnel) != before


def test_the_status_and_apply_say_what_waits_and_until_when(tunnel):
    with_window(tunnel, window(tunnel, timedelta(hours=3)))
    tunnel.change(reissue, [NAME])
    terminal = Terminal(tunnel.root)
    done = terminal.run("apply")
    assert "tunnel: kept back until its activation window opens in 3 hours." in done.stderr.replace(
        "2 hours", "3 hours"
    )
    found = terminal.json("status")
    (module,) = found["modules"]
    assert module["state"] == "waiting"
    (row,) = [each for each in found["chains"] if each["status"] == "waiting"]
    assert row["problem"] == module["problem"]
    assert module["problem"]["code"] == "status.window"
    assert module["problem"]["retry_at"] in module["problem"]["cause"]
    assert "its activation window opens in" in terminal.run("status").stdout
    assert "kept back until its activation window opens" in terminal.run("apply", "--dry-run").stdout
    terminal.run("apply", "--now")
    assert terminal.json("status")["modules"][0]["state"] == "ok"


def test_what_waits_though_no_chain_has_changed_is_shown_with_its_time_too(appliance):
    context = HeadOffice(appliance)
    text = window(appliance, timedelta(hours=3))
    context.settings(f'window = "{text}"\n')
    appliance.apply(windows=False)
    serial = context.sign("branch-1")
    context.revoke(serial)
    opens = appliance.apply().plan.deferred["branches"]
    assert list(context.crl()) == []
    (module,) = Terminal(appliance.root).json("status")["modules"]
    assert (module["state"], module["problem"]["retry_at"]) == ("waiting", rfc3339(opens))
    appliance.apply(windows=False)
    assert len(list(context.crl())) == 1
