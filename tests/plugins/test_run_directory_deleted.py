"""The run directory is deleted under services that go on: what was lost with it is made again, and renewals go on."""

import shutil

import pytest

from agent.operations.reissue import reissue
from agent.report import read_snapshot, report
from agent.system.processes import process_of
from support.appliances.deployed import served
from support.appliances.proxied import INCLUDED, OWN, SITES, Proxied

NAME = "t.example.test"


def findings(appliance):
    now = appliance.clock()
    return [each.problem.cause for each in report(read_snapshot(appliance.layout, now), now).findings]


@pytest.mark.parametrize("service", [OWN, {**OWN, "start": True}, INCLUDED], ids=["own", "started by us", "included"])
def test_nginx_goes_on_and_is_seen_again(service):
    with Proxied.make(service=dict(service)) as box:
        if not box.own:
            box.write_main_file()
            box.pid_file.parent.mkdir(exist_ok=True)
        box.configure()
        box.apply()
        if box.master is None:
            box.start_service()
        box.apply()
        master = box.master
        shutil.rmtree(box.layout.run)
        box.clock.advance(minutes=16)
        box.apply()
        box.assert_live()
        assert (box.master, findings(box)) == (master, [])
        box.change(reissue)
        box.apply()
        box.assert_live()
        box.assert_served(*SITES)
        assert (box.master, findings(box)) == (master, [])


def test_a_daemon_with_a_pid_file_there_is_told_of_its_next_chain(tunnel):
    pid = process_of(tunnel.layout.run / "toyd.pid")
    before = served(tunnel.port, NAME)
    shutil.rmtree(tunnel.layout.run)
    tunnel.change(reissue)
    tunnel.apply()
    assert process_of(tunnel.layout.run / "toyd.pid") == pid
    assert served(tunnel.port, NAME) not in {"", before}


def test_a_stranger_at_its_port_is_not_taken_for_the_service(tunnel):
    shutil.copytree(tunnel.layout.module("tunnel").live, tunnel.root / "elsewhere")
    tunnel.stop("toyd")
    tunnel.start("toyd", tunnel.root / "elsewhere/toyd.conf")
    (tunnel.layout.run / "toyd.pid").rename(tunnel.root / "toyd.pid")
    tunnel.change(reissue)
    tunnel.apply()
    assert not (tunnel.layout.run / "toyd.pid").exists()
    (tunnel.root / "toyd.pid").rename(tunnel.layout.run / "toyd.pid")
