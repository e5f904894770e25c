"""A chain whose sealed key can't be opened gets the key of what is in service, and is told where there is none."""

from __future__ import annotations

import pytest

from agent.model.deployment import Outcome
from support.appliances.api import NAME
from support.appliances.deployed import served
from support.told import told


def break_keys(appliance) -> None:
    with appliance.store() as store, store.write():
        store.database.execute("update chains set sealed_key = zeroblob(60)")


@pytest.mark.parametrize("left", ["sealed rows", "generation"])
def test_a_broken_key_is_taken_from_what_is_in_service(tunnel, left):
    (chain,) = tunnel.chains("tunnel").values()
    break_keys(tunnel)
    if left == "generation":
        for path in tunnel.layout.private.glob("served-*"):
            path.unlink()
    tunnel.clock.advance(hours=25)
    tunnel.apply()
    with tunnel.store() as store:
        assert store.chains.unopened() == []
        loaded = store.chains.load(chain)
    assert loaded is not None
    assert loaded.id == chain == served(tunnel.port, NAME)
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    assert [each for each in told(tunnel) if each["severity"] != "notice"] == []


def test_a_broken_key_of_which_nothing_is_left_is_told(tunnel):
    (chain,) = tunnel.chains("tunnel").values()
    break_keys(tunnel)
    for path in (*tunnel.layout.private.glob("served-*"), *tunnel.live("tunnel").glob("*.pem")):
        path.unlink()
    tunnel.clock.advance(hours=25)
    tunnel.apply()
    causes = [each["problem"]["cause"] for each in told(tunnel)]
    assert any(chain[:8] in each and "its key can't be opened" in each for each in causes), causes
