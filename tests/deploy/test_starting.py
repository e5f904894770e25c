"""Services that the agent starts."""

import shutil

from agent.model.deployment import Outcome
from agent.system.command import Command
from support.appliances.proxied import OWN, Proxied


def test_what_the_agent_starts_stays_after_it_and_nothing_else_does():
    with Proxied.make(service={**OWN, "start": True}) as box:
        box.configure()
        box.apply()
        box.assert_live()
        staying = [action for action in box.runner.ran if isinstance(action, Command) and action.stays]
        assert [command.shown for command in staying] == ["plugins.nginx.start_nginx"]


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
