"""A boot puts the bytes of what is in service back, whatever is gone of them, without a test or a new generation."""

from __future__ import annotations

import os
import shutil

import pytest

from agent.model.deployment import Outcome
from agent.model.events import EventKind
from support.appliances.api import NAME
from support.appliances.deployed import served

DAMAGES = {
    "the link is gone": lambda live: (live.parent / "live").unlink(),
    "the link is another one": lambda live: (
        (live.parent / "live").unlink(),
        (live.parent / "live").symlink_to("/nowhere"),
    ),
    "a file is gone": lambda live: (live / "tunnel.pem").unlink(),
    "a file is torn": lambda live: (live / "tunnel.pem").write_bytes(b"-----BEGIN"),
    "the configuration is gone": lambda live: (live / "toyd.conf").unlink(),
    "the directory is gone": shutil.rmtree,
    "all of it is gone": lambda live: shutil.rmtree(live.parent),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_gone_is_put_back(tunnel, damage):
    live = tunnel.live("tunnel").resolve()
    before = {path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_uid) for path in live.iterdir()}
    modes = [path.stat().st_mode for path in (live.parent, live)]
    damage(live)
    tunnel.runner.ran.clear()
    tunnel.events.clear()
    mask = os.umask(0o077)  # the unit's
    try:
        tunnel.engine().boot()
    finally:
        os.umask(mask)
    assert tunnel.runner.ran == []
    assert str((live.parent / "live").readlink()) == live.name
    assert {
        path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_uid) for path in live.iterdir()
    } == before
    assert [path.stat().st_mode for path in (live.parent, live)] == modes
    (told,) = [each.text for each in tunnel.events if each.kind is EventKind.DRIFT]
    assert "put back, the first" in told
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
    assert tunnel.live("tunnel").resolve() == live
    assert served(tunnel.port, NAME) == tunnel.chains("tunnel")["default"]


def test_what_nobody_has_the_bytes_of_is_deployed_again(tunnel):
    live = tunnel.live("tunnel").resolve()
    (live / "toyd.conf").unlink()
    with tunnel.store() as store, store.write():
        store.database.execute("delete from contents")
    tunnel.engine().boot()
    assert (tunnel.live("tunnel") / "toyd.conf").exists()
    assert tunnel.live("tunnel").resolve() != live
