"""Services that the agent starts."""

import os
import shutil
import signal

import pytest

from agent.model.deployment import Outcome
from agent.system.command import Command
from plugins.nginx.start_nginx import end_orphans
from support.appliances.proxied import OWN, SITES, Proxied


def test_what_the_agent_starts_stays_after_it_and_nothing_else_does():
    with Proxied.make(service={**OWN, "start": True}) as box:
        box.configure()
        box.apply()
        box.assert_live()
        staying = [action for action in box.runner.ran if isinstance(action, Command) and action.stays]
        assert [command.shown for command in staying] == ["plugins.nginx.start_nginx"]


@pytest.fixture
def nginx():
    with Proxied.make(service={**OWN, "start": True}) as box:
        box.configure()
        box.apply()
        yield box


def test_workers_that_outlive_their_master_end_and_another_nginx_is_started(nginx):
    first = nginx.master
    with nginx.connect(SITES[0]):  # a worker with a connection goes on with that one
        os.kill(first, signal.SIGKILL)
        nginx.clock.advance(minutes=16)
        nginx.apply()
        assert nginx.master not in {None, first}
        nginx.assert_served(*SITES)
    nginx.renew()
    nginx.assert_served(*SITES)


def test_a_service_that_serves_is_left_alone_by_its_start(nginx):
    patterns = [str(nginx.layout.run / "*-generation.sock")]
    before = nginx.master
    end_orphans(patterns)
    nginx.assert_served(SITES[0])
    assert nginx.master == before


def test_what_a_service_is_to_start_with_is_made_again_where_it_was_deleted(tunnel):
    tunnel.stop("toyd")
    tunnel.clock.advance(minutes=16)
    tunnel.apply()
    shutil.rmtree(tunnel.layout.modules)
    tunnel.clock.advance(minutes=2)
    tunnel.apply()
    tunnel.start("toyd", tunnel.layout.module("tunnel").live / "toyd.conf")
    tunnel.apply()
    assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
